//! Lists of generated numbers, in the FTC's flat format: a file for each area, a line `NPA,7digits` for each number.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use dnc_core::generate::{ftc_line, mix};
use jiff::civil::Date;
use serde::Serialize;

use super::PopulationArgs;
use super::population::Population;
use crate::args::Output;
use crate::output;

/// Write lists of generated numbers, to be imported before the load: `dnc bench` with the same `--numbers`, `--areas` and
/// `--seed` knows which numbers are in them.
#[derive(clap::Args)]
pub struct Generate {
    #[command(flatten)]
    population: PopulationArgs,
    /// Folder for the files; it is made if need be.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The lists' own date, in their names. Today (UTC) unless given.
    #[arg(long, value_name = "YYYY-MM-DD")]
    list_date: Option<Date>,
    /// How to print the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Serialize)]
struct Written {
    folder: PathBuf,
    files: Vec<String>,
    numbers: u64,
    bytes: u64,
    seconds: f64,
}

/// Writes the files.
pub fn run(asked: &Generate) -> Result<ExitCode> {
    let population = asked.population.population()?;
    let date = asked.list_date.unwrap_or_else(today);
    let begun = Instant::now();
    fs::create_dir_all(&asked.out).with_context(|| format!("create the folder {}", asked.out.display()))?;
    let mut written =
        Written { folder: asked.out.clone(), files: Vec::new(), numbers: population.numbers(), bytes: 0, seconds: 0.0 };
    for (place, area) in population.areas().iter().enumerate() {
        let name = file_name(date, *area, asked.population.seed);
        let path = asked.out.join(&name);
        written.bytes += write(&path, &population, place).with_context(|| format!("write {}", path.display()))?;
        written.files.push(name);
    }
    written.seconds = begun.elapsed().as_secs_f64();
    match asked.output {
        Output::Json => output::json(&written)?,
        Output::Text => {
            let PopulationArgs { numbers, areas, seed } = &asked.population;
            output::line(format_args!(
                "{} numbers in {} files, {} bytes, in {}",
                output::thousands(written.numbers),
                written.files.len(),
                output::thousands(written.bytes),
                asked.out.display()
            ))?;
            output::line(format_args!("load them:     dnc import {}/*.txt", asked.out.display()))?;
            output::line(format_args!("then measure:  dnc bench --numbers {numbers} --areas {areas} --seed {seed}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn write(path: &Path, population: &Population, place: usize) -> Result<u64> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut bytes = 0;
    for national in population.listed_in(place) {
        let line = ftc_line(national);
        file.write_all(&line)?;
        bytes += line.len() as u64;
    }
    file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    Ok(bytes)
}

/// `<Y-M-D, unpadded>_<NPA>_<GUID>.txt`, as the FTC names its files. The GUID comes from the seed.
fn file_name(date: Date, area: u16, seed: u64) -> String {
    let high = mix(seed ^ mix(u64::from(area)));
    let low = mix(high);
    let (year, month, day) = (date.year(), date.month(), date.day());
    format!(
        "{year}-{month}-{day}_{area}_{:08X}-{:04X}-{:04X}-{:04X}-{:012X}.txt",
        high >> 32,
        high >> 16 & 0xFFFF,
        high & 0xFFFF,
        low >> 48,
        low & 0xFFFF_FFFF_FFFF
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_as_the_ftc_names_its_files() {
        let name = file_name(jiff::civil::date(2026, 3, 9), 201, 1);
        assert!(name.starts_with("2026-3-9_201_") && name.ends_with(".txt"), "{name}");
        assert_eq!(name.len(), "2026-3-9_201_.txt".len() + 36);
        assert_ne!(name, file_name(jiff::civil::date(2026, 3, 9), 201, 2));
    }

    #[test]
    fn the_same_seed_writes_the_same_files() {
        let folder = tempfile::tempdir().unwrap();
        let population = Population::new(1, vec![201], 5_000).unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        assert_eq!(write(&one, &population, 0).unwrap(), 60_000);
        write(&two, &population, 0).unwrap();
        assert_eq!(fs::read(one).unwrap(), fs::read(two).unwrap());
    }
}
