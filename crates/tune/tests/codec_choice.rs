//! What the choice of codecs costs against the best codec of each object and against one codec for all, on costs measured on a mixed corpus.

use rustfs_rio_tune::{
    Codec, CodecChoice, CodecChooser, CodecChooserConfig, CodecCost, CodecObjective, Compressibility,
    ObjectView,
};
use std::path::PathBuf;
use std::time::Duration;

const BYTE_NS: f64 = 15.0;

struct Object {
    bytes: u64,
    look: Compressibility,
    /// Codec, level, bytes out, nanoseconds.
    costs: Vec<(Codec, u8, u64, u64)>,
}

fn corpus() -> Vec<Object> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/codec-costs/v1/corpus.txt");
    let text = std::fs::read_to_string(path).expect("fixtures/codec-costs/v1/corpus.txt");
    let object = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let cost = |word: &&str| {
            let (name, figures) = word.split_once('=')?;
            let ((codec, level), (out, ns)) = (name.split_once(':')?, figures.split_once('/')?);
            Some((Codec::from_name(codec)?, level.parse().ok()?, out.parse().ok()?, ns.parse().ok()?))
        };
        Some(Object {
            bytes: words.get(1)?.parse().ok()?,
            look: Compressibility {
                bits_per_byte: words.get(2)?.parse().ok()?,
                repeats: words.get(3)?.parse().ok()?,
            },
            costs: words[4..].iter().map(cost).collect::<Option<_>>()?,
        })
    };
    text.lines().filter(|line| !line.starts_with('#')).map(|line| object(line).expect(line)).collect()
}

fn chooser() -> CodecChooser {
    // What a table in a book says: no measurement of this corpus.
    let cost = |codec, level, ns_per_byte, reach| CodecCost { codec, level, ns_per_byte, reach };
    let candidates = vec![
        cost(Codec::Lz4, 0, 1.5, 0.7),
        cost(Codec::S2, 0, 1.5, 0.7),
        cost(Codec::Zstd, 1, 3.0, 1.0),
        cost(Codec::Zstd, 3, 5.0, 1.05),
        cost(Codec::Zstd, 9, 25.0, 1.1),
        cost(Codec::Deflate, 6, 25.0, 1.0),
    ];
    CodecChooser::new(CodecChooserConfig { candidates, objective: CodecObjective::Balanced })
        .expect("a sound table")
}

impl Object {
    fn result(&self, codec: Codec, level: u8) -> (u64, u64) {
        let known = self.costs.iter().find(|cost| cost.0 == codec && cost.1 == level);
        known.map_or((self.bytes, 0), |(_, _, out, ns)| (*out, *ns))
    }

    fn cost(&self, (out, ns): (u64, u64)) -> f64 {
        ns as f64 + out as f64 * BYTE_NS
    }

    fn best(&self) -> f64 {
        let all = self.costs.iter().map(|(_, _, out, ns)| self.cost((*out, *ns)));
        all.fold(self.cost((self.bytes, 0)), f64::min)
    }
}

/// A chooser does not see content here but what the recorder saw of it.
fn choose(chooser: &CodecChooser, object: &Object) -> CodecChoice {
    chooser.choose_for(&object.look, object.bytes, 1.0)
}

/// The corpus over and over in a shuffled order: total cost over the best cost, and CPU for each byte saved, after `skip` objects.
fn play(chooser: &mut CodecChooser, rounds: usize, skip: usize) -> (f64, f64) {
    let corpus = corpus();
    let (mut cost, mut best, mut ns_all, mut saved) = (0.0, 0.0, 0.0, 0.0);
    let mut at = 0;
    for n in 0..rounds * corpus.len() {
        // Visits every object: the step shares no factor with the number of objects.
        at = (at + 101) % corpus.len();
        let object = &corpus[at];
        let choice = choose(chooser, object);
        let (out, ns) = object.result(choice.codec, choice.level);
        chooser.learn(&choice, object.bytes, out, Duration::from_nanos(ns));
        if n >= skip {
            cost += object.cost((out, ns));
            best += object.best();
            ns_all += ns as f64;
            saved += (object.bytes - out.min(object.bytes)) as f64;
        }
    }
    (cost / best - 1.0, ns_all / saved)
}

fn fixed(codec: Codec, level: u8) -> (f64, f64) {
    let (mut cost, mut best, mut ns_all, mut saved) = (0.0, 0.0, 0.0, 0.0);
    for object in corpus() {
        let (out, ns) = object.result(codec, level);
        cost += object.cost((out, ns));
        best += object.best();
        ns_all += ns as f64;
        saved += (object.bytes - out.min(object.bytes)) as f64;
    }
    (cost / best - 1.0, ns_all / saved)
}

#[test]
fn regret_is_below_five_per_cent_and_cpu_below_three_quarters_of_zstd_3() {
    assert!(!corpus().len().is_multiple_of(101), "the order would leave objects out");
    let (cold, _) = play(&mut chooser(), 1, 0);
    let (regret, cpu) = play(&mut chooser(), 8, 0);
    let (zstd_regret, zstd_cpu) = fixed(Codec::Zstd, 3);
    println!("regret {regret:.4} (first pass {cold:.4}, fixed zstd-3 {zstd_regret:.4})");
    println!(
        "ns a byte saved {cpu:.3}, fixed zstd-3 {zstd_cpu:.3}: {:.1} % less",
        (1.0 - cpu / zstd_cpu) * 100.0
    );
    for (codec, level) in [
        (Codec::None, 0),
        (Codec::Lz4, 0),
        (Codec::S2, 0),
        (Codec::Zstd, 1),
        (Codec::Zstd, 9),
        (Codec::Deflate, 6),
    ] {
        println!("fixed {} {level}: regret {:.4}", codec.name(), fixed(codec, level).0);
    }
    assert!(regret <= 0.05, "{regret}");
    assert!(cpu <= 0.75 * zstd_cpu, "{cpu} {zstd_cpu}");
}

#[test]
fn what_was_learnt_starts_the_next_one_warm() {
    let mut first = chooser();
    play(&mut first, 3, 0);
    let mut second = chooser();
    second.restore(&first.records());
    let (warm, _) = play(&mut second, 1, 0);
    let (cold, _) = play(&mut chooser(), 1, 0);
    assert!(warm < cold, "{warm} {cold}");
}

#[test]
fn a_busy_machine_spends_less_cpu() {
    let chooser = chooser();
    let text = "what is written here is text of the ordinary kind, with words that come again and again "
        .repeat(800);
    let view = |cpu_headroom| ObjectView { size: 70_000, sample: text.as_bytes(), cpu_headroom };
    let (idle, busy) = (chooser.choose(&view(1.0)), chooser.choose(&view(0.0)));
    assert!(busy.ns_per_byte < idle.ns_per_byte, "{idle} / {busy}");
    assert!(idle.to_string().contains("bits a byte"), "{idle}");
    for headroom in [f64::NAN, f64::INFINITY, -1.0] {
        let _ = chooser.choose(&ObjectView { size: 0, sample: &[], cpu_headroom: headroom });
    }
}

#[test]
fn tables_that_make_no_sense_are_refused() {
    let with = |candidates, objective| CodecChooser::new(CodecChooserConfig { candidates, objective });
    let cost = CodecCost { codec: Codec::Zstd, level: 3, ns_per_byte: 5.0, reach: 1.0 };
    for bad in [
        CodecCost { ns_per_byte: f64::NAN, ..cost },
        CodecCost { reach: -1.0, ..cost },
        CodecCost { level: 40, ..cost },
    ] {
        let error = with(vec![bad], CodecObjective::Speed).expect_err("a bad table").to_string();
        assert!(error.contains("codec zstd level"), "{error}");
    }
    assert!(with(vec![cost; 16], CodecObjective::Space).is_err());
    assert!(with(vec![cost], CodecObjective::NanosecondsPerByte(0.0)).is_err());
}
