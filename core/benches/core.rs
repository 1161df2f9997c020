//! The hot paths of a check and of a load: parsing a number, evaluating rules, looking into a block, reading a list,
//! building blocks.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench, not an interface")]

use std::convert::Infallible;
use std::hint::black_box;
use std::io::Cursor;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dnc_core::block::{Block, BlockBuilder, BlockSetBuilder};
use dnc_core::ids::{RequestId, TenantId};
use dnc_core::listfile::{self, Entry, Options};
use dnc_core::number::PhoneNumber;
use dnc_core::rule::{Pattern, Rule, RuleSet};

/// A small generator, so that every run measures the same numbers.
fn pseudo_random(count: usize) -> impl Iterator<Item = u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    for text in ["2015550100", "+1 (201) 555-0100", "+442079460958"] {
        group.bench_function(text, |b| b.iter(|| PhoneNumber::parse(black_box(text))));
    }
    group.finish();
}

fn contains(c: &mut Criterion) {
    let mut group = c.benchmark_group("contains");
    let block = |step: usize| {
        let mut builder = BlockBuilder::new();
        (0..10_000_u16).step_by(step).for_each(|line| builder.insert(line).unwrap());
        builder.build()
    };
    let lines: Vec<u16> = pseudo_random(1_024).map(|value| (value % 10_000) as u16).collect();
    let mut at = 0;
    for (name, block) in
        [("dense, 5000 lines", block(2)), ("sparse, 500 lines", block(20)), ("sparse, 50 lines", block(200))]
    {
        let blocks: Vec<Block> = vec![block];
        group.bench_function(name, |b| {
            b.iter(|| {
                at = (at + 1) % lines.len();
                black_box(&blocks[0]).contains(black_box(lines[at]))
            });
        });
    }
    group.finish();
}

/// Half of an area code's numbers, in order, as the national registry writes them.
fn flat_list() -> Vec<u8> {
    (0..5_000_000_u32).flat_map(|n| format!("201,{:07}\n", n * 2).into_bytes()).collect()
}

fn read(c: &mut Criterion) {
    let list = flat_list();
    let mut group = c.benchmark_group("read");
    group.sample_size(10).throughput(Throughput::Elements(5_000_000));
    let count_all = |name: &str| {
        let mut sum = 0_u64;
        let mut sink = |entry: Entry| -> Result<(), Infallible> {
            if let Entry::Number(number) = entry {
                sum = sum.wrapping_add(number.to_u64());
            }
            Ok(())
        };
        let read = listfile::read(name, Cursor::new(&list), &Options::default(), &mut sink, &mut |_| {});
        (read.unwrap().numbers, sum)
    };
    group.bench_function("flat lines", |b| b.iter(|| count_all("list.txt")));
    group.bench_function("flat lines, area checked", |b| b.iter(|| count_all("2026-11-9_201_a.txt")));
    group.bench_function("flat lines into blocks", |b| {
        b.iter(|| {
            let mut builder = BlockSetBuilder::new();
            let mut sink = |entry| match entry {
                Entry::Number(number) => builder.insert(number),
                Entry::Change(_) => unreachable!("a full list"),
            };
            listfile::read("list.txt", Cursor::new(&list), &Options::default(), &mut sink, &mut |_| {}).unwrap();
            builder.into_sorted().len()
        });
    });
    group.finish();
}

fn build(c: &mut Criterion) {
    const COUNT: usize = 20_000_000;
    let mut group = c.benchmark_group("build");
    group.sample_size(10).throughput(Throughput::Elements(COUNT as u64));
    // 20 million numbers over 65,536 exchanges: what a large part of the national registry looks like.
    let random: Vec<PhoneNumber> = pseudo_random(COUNT)
        .map(|value| PhoneNumber::from_national(2_000_000_000 + value % 655_360_000, 1).unwrap())
        .collect();
    let mut sorted = random.clone();
    sorted.sort_unstable();
    for (name, numbers) in [("20 million, sorted", &sorted), ("20 million, random order", &random)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut builder = BlockSetBuilder::new();
                numbers.iter().for_each(|&number| builder.insert(number).unwrap());
                builder.into_sorted().len()
            });
        });
    }
    group.finish();
}

/// A thousand rules, a quarter of each type: those of one tenant, and global ones.
fn rules() -> RuleSet {
    let area = |n: usize| format!("{}", 201 + n % 700);
    let rules = (0..1_000).map(|n| {
        let (kind, pattern) = match n % 4 {
            0 => ("area_code", area(n / 4)),
            1 => ("exchange", format!("{}", 200 + n / 4)),
            2 => ("prefix", format!("{}{}", area(n / 4), 300 + n / 4)),
            _ => ("regex", format!(r"^\+1{}555\d{{2}}{}$", area(n / 4), 10 + n % 90)),
        };
        let rule = Rule {
            id: RequestId(n as u128),
            tenant: (n % 3 > 0).then_some(TenantId(1)),
            pattern: Pattern::parse(kind, &pattern).unwrap(),
            description: String::new(),
            author: String::new(),
            created_ms: 0,
        };
        (rule.id, rule)
    });
    RuleSet::new(&rules.collect())
}

fn evaluate_rules(c: &mut Criterion) {
    let rules = rules();
    let numbers: Vec<PhoneNumber> = pseudo_random(1_024)
        .map(|value| PhoneNumber::from_national(2_010_000_000 + value % 7_000_000_000, 1).unwrap())
        .collect();
    let mut group = c.benchmark_group("1,000 rules, 250 of each type");
    let mut at = 0;
    group.bench_function("any number", |b| {
        b.iter(|| {
            at = (at + 1) % numbers.len();
            black_box(&rules).matching(black_box(numbers[at]), TenantId(1)).len()
        });
    });
    let hit = PhoneNumber::parse("2015550013").unwrap();
    group.bench_function("one that regular expressions match", |b| {
        b.iter(|| black_box(&rules).matching(black_box(hit), TenantId(1)).len());
    });
    group.finish();
}

criterion_group!(benches, parse, evaluate_rules, contains, read, build);
criterion_main!(benches);
