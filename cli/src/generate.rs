//! `dnc generate`: a list file of made-up numbers, as large as the national registry if need be.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;
use dnc_core::generate::{NationalList, ftc_line};
use dnc_core::number::PhoneNumber;
use serde::Serialize;

use crate::args::Output;
use crate::output;

/// Bytes that are written at a time.
const BUFFER: usize = 1 << 20;

/// Arguments of `dnc generate`.
#[derive(clap::Args)]
pub struct Generate {
    /// How many numbers, all different: 1 to 1,000,000,000. The national registry has 258,500,000.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    numbers: u64,
    /// Seed of everything that is left to chance: the same seed and --numbers make the same list.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// In which order.
    #[arg(long, value_enum, default_value_t = Order::Ascending)]
    order: Order,
    /// How a number is written.
    #[arg(long, value_enum, default_value_t = Format::FtcFlat)]
    format: Format,
    /// The file; stdout unless given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How to print what was written, which goes to stdout if --out is given and to stderr if not.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// In which order numbers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    /// As the national registry's files are.
    Ascending,
    /// In an order that looks random.
    Random,
}

/// How a number is written; the names are those of `dnc import --format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Format {
    /// `NPA,7digits`, the national registry's full list.
    FtcFlat,
    /// Ten digits.
    Digits,
}

#[derive(Serialize)]
struct Written {
    numbers: u64,
    bytes: u64,
    seconds: f64,
}

/// Writes the list.
pub fn run(asked: &Generate) -> Result<ExitCode> {
    let begun = Instant::now();
    let list = NationalList::new(asked.seed, asked.numbers).context("read --numbers")?;
    let bytes = match &asked.out {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
            let (file, bytes) = write(&list, asked, file).with_context(|| format!("write {}", path.display()))?;
            file.sync_all().with_context(|| format!("write {}", path.display()))?;
            bytes
        }
        None => write(&list, asked, io::stdout().lock()).context("write the list")?.1,
    };
    let written = Written { numbers: list.numbers(), bytes, seconds: begun.elapsed().as_secs_f64() };
    let said = match asked.output {
        Output::Json => serde_json::to_string(&written)?,
        Output::Text => format!(
            "{} numbers, {} bytes, in {:.1} s",
            output::thousands(written.numbers),
            output::thousands(written.bytes),
            written.seconds
        ),
    };
    match asked.out {
        Some(_) => output::line(said)?,
        None => output::note(said),
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes all numbers; gives the writer back, and how many bytes there were.
fn write<W: Write>(list: &NationalList, asked: &Generate, to: W) -> Result<(W, u64)> {
    let mut to = BufWriter::with_capacity(BUFFER, to);
    let bytes = match asked.order {
        Order::Ascending => write_all(list.ascending(), asked.format, &mut to)?,
        Order::Random => write_all(list.shuffled(), asked.format, &mut to)?,
    };
    Ok((to.into_inner().map_err(io::IntoInnerError::into_error)?, bytes))
}

fn write_all(numbers: impl Iterator<Item = PhoneNumber>, format: Format, to: &mut impl Write) -> io::Result<u64> {
    let mut bytes = 0;
    for number in numbers {
        let line = ftc_line(number.to_u64() % 10_000_000_000);
        match format {
            Format::FtcFlat => to.write_all(&line)?,
            Format::Digits => {
                to.write_all(&line[..3])?;
                to.write_all(&line[4..])?;
            }
        }
        bytes += if format == Format::FtcFlat { line.len() } else { line.len() - 1 } as u64;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(order: Order, format: Format) -> Generate {
        Generate { numbers: 3_000, seed: 1, order, format, out: None, output: Output::Text }
    }

    fn lines(asked: &Generate) -> Vec<String> {
        let list = NationalList::new(asked.seed, asked.numbers).unwrap();
        let (text, bytes) = write(&list, asked, Vec::new()).unwrap();
        assert_eq!(text.len() as u64, bytes);
        String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn all_orders_and_formats_hold_the_same_numbers() {
        let flat = lines(&asked(Order::Ascending, Format::FtcFlat));
        assert!(flat.len() == 3_000 && flat.is_sorted());
        assert!(flat.iter().all(|line| line.len() == 11 && line.as_bytes()[3] == b','));
        let digits = lines(&asked(Order::Ascending, Format::Digits));
        assert_eq!(flat.iter().map(|line| line.replace(',', "")).collect::<Vec<_>>(), digits);
        let mut random = lines(&asked(Order::Random, Format::Digits));
        assert!(!random.is_sorted());
        random.sort_unstable();
        assert_eq!(random, digits);
    }
}
