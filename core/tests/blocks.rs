//! Blocks against a model: whatever a plain sorted set says, the encoded block says too.

#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

use std::collections::{BTreeMap, BTreeSet};

use dnc_core::block::{Block, BlockBuilder, BlockError, BlockId, BlockSetBuilder, TooManyBlocks};
use dnc_core::number::PhoneNumber;
use proptest::collection::vec;
use proptest::prelude::*;

fn block_of(lines: impl IntoIterator<Item = u16>) -> Block {
    let mut builder = BlockBuilder::new();
    for line in lines {
        builder.insert(line).unwrap();
    }
    builder.build()
}

/// Few lines, many lines, and counts around the turn from sparse to dense.
fn lines() -> impl Strategy<Value = Vec<u16>> {
    let few = vec(0_u16..10_000, 0..50);
    let many = vec(0_u16..10_000, 0..4_000);
    let repeated = vec(0_u16..40, 0..1_300);
    let turn = (600_u16..650, 1_u16..16, 0_u16..100)
        .prop_map(|(count, step, first)| (0..count).map(|n| (first + n * step) % 10_000).rev().collect());
    prop_oneof![few, many, repeated, turn]
}

#[test]
fn the_turn_from_sparse_to_dense_is_at_625_lines() {
    let sparse = block_of(0..624);
    let dense = block_of(0..625);
    assert_eq!((sparse.as_bytes().len(), sparse.is_dense(), sparse.len()), (1_248, false, 624));
    assert_eq!((dense.as_bytes().len(), dense.is_dense(), dense.len()), (1_250, true, 625));
}

#[test]
fn an_empty_and_a_full_block_are_blocks() {
    let empty = block_of([]);
    assert_eq!(empty, Block::default());
    assert!(empty.is_empty() && empty.as_bytes().is_empty() && !empty.contains(0));
    let full = block_of(0..10_000);
    assert_eq!(full.as_bytes(), [0xff; 1_250]);
    assert_eq!(full.len(), 10_000);
    assert!(full.contains(9_999) && !full.contains(10_000) && !full.contains(u16::MAX));
}

#[test]
fn a_line_beyond_the_block_is_refused() {
    assert_eq!(BlockBuilder::new().insert(10_000), Err(BlockError::Line));
}

#[test]
fn bytes_that_are_not_canonical_are_refused() {
    let pairs = |lines: &[u16]| lines.iter().flat_map(|line| line.to_le_bytes()).collect::<Vec<u8>>();
    let mut sparse_bits = [0_u8; 1_250];
    sparse_bits[..78].fill(0xff);
    for (bytes, error) in [
        (vec![1], BlockError::Length(1)),
        (vec![0; 1_249], BlockError::Length(1_249)),
        (vec![0; 1_252], BlockError::Length(1_252)),
        (pairs(&[5, 5]), BlockError::Order),
        (pairs(&[6, 5]), BlockError::Order),
        (pairs(&[5, 10_000]), BlockError::Line),
        (vec![0; 1_250], BlockError::TooFewForDense(0)),
        (sparse_bits.to_vec(), BlockError::TooFewForDense(624)),
    ] {
        assert_eq!(Block::from_bytes(&bytes), Err(error));
    }
}

/// Replicas compare these sums across releases. If this test fails, the code is wrong, not the test.
#[test]
fn checksums_are_frozen() {
    assert_eq!(block_of([100, 101]).checksum(BlockId(1_201_555)), 15_246_774_188_777_025_684);
    assert_eq!(block_of(0..10_000).checksum(BlockId(1_201_555)), 6_624_137_044_373_947_002);
    assert_ne!(block_of([100]).checksum(BlockId(1)), block_of([100]).checksum(BlockId(2)));
}

#[test]
fn blocks_beyond_the_limit_are_refused_and_the_rest_is_kept() {
    let number = |value| PhoneNumber::from_national(value, 1).unwrap();
    let mut builder = BlockSetBuilder::with_limit(2);
    builder.insert(number(2_015_550_100)).unwrap();
    builder.insert(number(2_015_560_100)).unwrap();
    assert_eq!(builder.insert(number(2_015_570_100)), Err(TooManyBlocks { limit: 2 }));
    builder.insert(number(2_015_550_101)).unwrap();
    assert_eq!(builder.len_blocks(), 2);
    let blocks = builder.into_sorted();
    assert_eq!(blocks, [(BlockId(1_201_555), block_of([100, 101])), (BlockId(1_201_556), block_of([100]))]);
}

proptest! {
    #[test]
    fn a_block_is_the_set_that_it_was_built_from(lines in lines()) {
        let model: BTreeSet<u16> = lines.iter().copied().collect();
        let block = block_of(lines);
        prop_assert_eq!(block.len(), model.len());
        prop_assert_eq!(block.is_empty(), model.is_empty());
        prop_assert_eq!(block.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
        for line in 0..=10_001 {
            prop_assert_eq!(block.contains(line), model.contains(&line));
        }
        prop_assert!(block.as_bytes().len() <= 1_250.min(model.len() * 2));
        prop_assert_eq!(&Block::from_bytes(block.as_bytes()), &Ok(block.clone()));
        prop_assert_eq!(block_of(model), block);
    }

    #[test]
    fn the_difference_is_that_of_the_sets(newer in lines(), older in lines()) {
        let new_set: BTreeSet<u16> = newer.iter().copied().collect();
        let old_set: BTreeSet<u16> = older.iter().copied().collect();
        let (new, old) = (block_of(newer), block_of(older));
        let diff = new.diff(&old);
        prop_assert_eq!(diff.added as usize, new_set.difference(&old_set).count());
        prop_assert_eq!(diff.dropped as usize, old_set.difference(&new_set).count());
        prop_assert_eq!(diff.unchanged as usize, new_set.intersection(&old_set).count());
        prop_assert_eq!(new.diff(&new).unchanged as usize, new_set.len());
    }

    #[test]
    fn whatever_bytes_are_accepted_are_canonical(
        bytes in prop_oneof![vec(any::<u8>(), 0..20), vec(any::<u8>(), 1_245..1_255)],
    ) {
        if let Ok(block) = Block::from_bytes(&bytes) {
            let built = block_of(block.iter());
            prop_assert_eq!(built.as_bytes(), bytes.as_slice());
        }
    }

    #[test]
    fn a_block_survives_serialisation(lines in lines()) {
        let block = block_of(lines);
        let json = serde_json::to_vec(&block).unwrap();
        prop_assert_eq!(&serde_json::from_slice::<Block>(&json).unwrap(), &block);
        let config = bincode::config::standard();
        let bytes = bincode::serde::encode_to_vec(&block, config).unwrap();
        prop_assert_eq!(bincode::serde::decode_from_slice::<Block, _>(&bytes, config).unwrap().0, block);
    }

    #[test]
    fn a_set_of_blocks_holds_exactly_its_numbers(values in vec(12_015_540_000_u64..12_015_570_000, 0..3_000)) {
        let mut builder = BlockSetBuilder::new();
        let mut model: BTreeMap<u64, BTreeSet<u16>> = BTreeMap::new();
        for &value in &values {
            builder.insert(PhoneNumber::from_u64(value).unwrap()).unwrap();
            model.entry(value / 10_000).or_default().insert((value % 10_000) as u16);
        }
        prop_assert_eq!(builder.len_blocks(), model.len());
        let blocks = builder.into_sorted();
        let expected: Vec<_> = model.into_iter().map(|(id, lines)| (BlockId(id), block_of(lines))).collect();
        prop_assert_eq!(blocks, expected);
    }

    #[test]
    fn the_sum_of_checksums_does_not_depend_on_the_order(mut values in vec(12_015_540_000_u64..12_015_570_000, 1..200)) {
        let sum = |values: &[u64]| {
            let mut builder = BlockSetBuilder::new();
            for &value in values {
                builder.insert(PhoneNumber::from_u64(value).unwrap()).unwrap();
            }
            builder.into_sorted().iter().rev().fold(0_u64, |sum, (id, block)| sum.wrapping_add(block.checksum(*id)))
        };
        let before = sum(&values);
        values.reverse();
        prop_assert_eq!(before, sum(&values));
        values.push(12_025_550_100);
        prop_assert_ne!(before, sum(&values));
    }
}
