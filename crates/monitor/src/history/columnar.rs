//! The history as a Parquet file (<https://parquet.apache.org/docs/file-format/>), which Arrow, DuckDB, Spark and pandas read.

use super::Sample;
use crate::stats::RealTimeStats;
use parquet::data_type::{DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
#[error("the history could not be written as Parquet: {0}")]
pub struct ParquetFailed(#[from] ParquetError);

type Whole = fn(&Sample) -> u64;
type Real = fn(&Sample, &RealTimeStats) -> f64;

/// Columns of whole numbers. The first is a timestamp in milliseconds, UTC.
const WHOLE: [(&str, Whole); 5] = [
    ("end", |sample| sample.end.saturating_mul(1000)),
    ("operations", |sample| sample.operations),
    ("errors", |sample| sample.errors),
    ("transfers", |sample| sample.transfers),
    ("bytes", |sample| sample.bytes),
];

/// Columns of real numbers: lengths in seconds, latencies in microseconds, names as in the CSV.
const REAL: [(&str, Real); 19] = [
    ("length_s", |sample, _| sample.elapsed.as_secs_f64()),
    ("iops", |_, stats| stats.iops),
    ("throughput_bps", |_, stats| stats.throughput_bps),
    ("avg_latency_us", |_, stats| stats.avg_latency_us),
    ("p50_latency_us", |_, stats| stats.p50_latency_us),
    ("p95_latency_us", |_, stats| stats.p95_latency_us),
    ("p99_latency_us", |_, stats| stats.p99_latency_us),
    ("p999_latency_us", |_, stats| stats.p999_latency_us),
    ("max_latency_us", |_, stats| stats.max_latency_us),
    ("error_rate_pct", |_, stats| stats.error_rate),
    ("queue_depth_min", |sample, _| sample.queue_depth.min),
    ("queue_depth_mean", |sample, _| sample.queue_depth.mean()),
    ("queue_depth_max", |sample, _| sample.queue_depth.max),
    ("cache_hit_rate", |sample, _| sample.cache_hit_rate.mean()),
    ("cpu_pct", |sample, _| sample.cpu_pct.mean()),
    ("cpu_pct_max", |sample, _| sample.cpu_pct.max),
    ("memory_bytes", |sample, _| sample.memory_bytes.mean()),
    ("memory_bytes_max", |sample, _| sample.memory_bytes.max),
    ("connections", |sample, _| sample.connections.mean()),
];

/// One row per sample, one row group, not compressed: ninety days take 5 MiB.
///
/// # Errors
///
/// None in practice: writing to memory does not fail.
pub fn parquet(samples: &[Sample]) -> Result<Vec<u8>, ParquetFailed> {
    let whole = WHOLE.iter().map(|(name, _)| match *name {
        "end" => "required int64 end (timestamp(millis,true));".to_owned(),
        name => format!("required int64 {name};"),
    });
    let real = REAL.iter().map(|(name, _)| format!("required double {name};"));
    let columns: String = whole.chain(real).collect();
    let schema = Arc::new(parse_message_type(&format!("message rio_history {{ {columns} }}"))?);
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties)?;
    let mut group = writer.next_row_group()?;
    for (_, value) in WHOLE {
        let values: Vec<i64> =
            samples.iter().map(|sample| i64::try_from(value(sample)).unwrap_or(i64::MAX)).collect();
        if let Some(mut column) = group.next_column()? {
            column.typed::<Int64Type>().write_batch(&values, None, None)?;
            column.close()?;
        }
    }
    let stats: Vec<RealTimeStats> = samples.iter().map(Sample::stats).collect();
    for (_, value) in REAL {
        let values: Vec<f64> =
            samples.iter().zip(&stats).map(|(sample, stats)| value(sample, stats)).collect();
        if let Some(mut column) = group.next_column()? {
            column.typed::<DoubleType>().write_batch(&values, None, None)?;
            column.close()?;
        }
    }
    group.close()?;
    Ok(writer.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    use std::time::Duration;

    #[test]
    fn the_librarys_reader_finds_what_was_written() {
        let sample = |end| Sample {
            end,
            elapsed: Duration::from_secs(10),
            transfers: 30,
            bytes: 40_960,
            operations: 31,
            errors: 1,
            ..Sample::default()
        };
        let samples: Vec<Sample> = (1..=1000).map(|step| sample(step * 10)).collect();
        let file = parquet(&samples).unwrap();
        let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
        let metadata = reader.metadata().file_metadata();
        assert_eq!(metadata.num_rows(), 1000);
        assert_eq!(metadata.schema_descr().num_columns(), WHOLE.len() + REAL.len());
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        let place = |name: &str| rows[0].get_column_iter().position(|(column, _)| column == name).unwrap();
        assert_eq!(rows[999].get_timestamp_millis(place("end")).unwrap(), 10_000_000);
        assert_eq!(rows[0].get_long(place("errors")).unwrap(), 1);
        assert_eq!(rows[0].get_double(place("throughput_bps")).unwrap(), 4096.0);
        assert!(parquet(&[]).is_ok());
    }
}
