//! Damaged trees, scripts and locations files: whatever the bytes, nothing panics, and what loads can be ticked and halted.
//!
//! The damage is random from a fixed seed, so that a find is found again. A round takes a file of the corpus, which is the
//! case files and the trees in `behaviors/`, changes it in a few places, and loads, checks and ticks what comes of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use behavior_tree::{Factory, Status, nav2};

/// As many rounds as a slow machine does within the time below.
const N_ROUNDS: u32 = 20_000;
const TIME: Duration = Duration::from_secs(10);

/// Pieces that mean something, put in where they do not belong.
const PIECES: [&str; 40] = [
    "<",
    ">",
    "/>",
    "\"",
    "'",
    "&amp;",
    "&lt;",
    "&#0;",
    "&x;",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "{",
    "}",
    "{=}",
    "{@x}",
    ";",
    ":=",
    "+=",
    "..",
    "? :",
    "&&",
    "||",
    "0x",
    "1e400",
    "-1",
    "4294967296",
    "9223372036854775808",
    "'",
    "\u{0}",
    "\u{feff}",
    "\u{10ffff}",
    "<SubTree ID=\"Main\"/>",
    " _skipIf=\"x\"",
    " ID=\"\"",
    " name=\"\"",
    "json:[",
    "true",
];

/// Xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn range(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(bytes.len() + 1);
        let length = self.below(24).min(bytes.len() - start);
        start..start + length
    }

    fn damage(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            let at = self.range(bytes);
            match self.below(6) {
                0 => drop(bytes.drain(at)),
                1 => {
                    let copy = bytes[at.clone()].to_vec();
                    bytes.splice(at.start..at.start, copy);
                }
                2 => {
                    let from = self.range(other);
                    bytes.splice(at, other[from].to_vec());
                }
                3 => {
                    let piece = PIECES[self.below(PIECES.len())];
                    bytes.splice(at.start..at.start, piece.bytes());
                }
                4 => {
                    if let Some(byte) = bytes.get_mut(at.start) {
                        *byte ^= 1 << self.below(8);
                    }
                }
                _ => {
                    // Two pieces of a file change places.
                    let to = self.below(bytes.len() - at.len() + 1);
                    let piece: Vec<u8> = bytes.drain(at).collect();
                    bytes.splice(to..to, piece);
                }
            }
        }
    }
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|other| other == extension))
        .collect();
    files.sort();
    files
}

/// The trees of all cases, and those in `behaviors/`.
fn trees() -> Vec<Vec<u8>> {
    let mut cases = files("tests/cases", "case");
    cases.extend(files("tests/nav2", "case"));
    let of_case = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        text.split("---\n").nth(1).unwrap().as_bytes().to_vec()
    };
    let mut trees: Vec<Vec<u8>> = cases.iter().map(of_case).collect();
    let whole = files("../../behaviors", "xml");
    trees.extend(whole.iter().map(|path| std::fs::read(path).unwrap()));
    trees
}

/// The scripts of all cases.
fn scripts(trees: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut scripts = Vec::new();
    for tree in trees {
        let Ok(document) = roxmltree::Document::parse(std::str::from_utf8(tree).unwrap()) else {
            continue;
        };
        for node in document.descendants() {
            for attribute in node.attributes() {
                if attribute.name() == "code" || attribute.name().starts_with("_on") {
                    scripts.push(attribute.value().as_bytes().to_vec());
                }
            }
        }
    }
    assert!(scripts.len() > 100);
    scripts
}

/// Does damage to the corpus and tries what comes of it, until the rounds or the time are over.
fn fuzz(seed: u64, corpus: &[Vec<u8>], mut tried: impl FnMut(&[u8])) {
    let mut random = Random(seed);
    let start = Instant::now();
    for _ in 0..N_ROUNDS {
        if start.elapsed() > TIME {
            return;
        }
        let mut bytes = corpus[random.below(corpus.len())].clone();
        let other = &corpus[random.below(corpus.len())];
        random.damage(&mut bytes, other);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| tried(&bytes))) {
            eprintln!("--- this panicked:\n{}", String::from_utf8_lossy(&bytes));
            std::panic::resume_unwind(panic);
        }
    }
}

fn factory() -> Factory {
    let mut factory = Factory::new();
    nav2::register(&mut factory, Arc::new(nav2::Parked)).unwrap();
    factory
}

/// Loads a tree, ticks it a few times, and halts it.
fn run(factory: &Factory, text: &str) {
    let Ok(mut tree) = factory.load_text(text) else {
        return;
    };
    for tick in 0..8 {
        if tree
            .tick_exactly_once(Duration::from_millis(tick * 40))
            .is_err()
        {
            break;
        }
    }
    let halted = tree.halt();
    let running = tree.nodes().find(|node| node.status == Status::Running);
    assert!(halted.is_err() || running.is_none(), "{running:?}");
}

#[test]
fn no_tree_makes_the_engine_panic() {
    let factory = factory();
    fuzz(1, &trees(), |bytes| {
        run(&factory, &String::from_utf8_lossy(bytes));
    });
}

#[test]
fn no_script_makes_the_engine_panic() {
    let factory = factory();
    let corpus = scripts(&trees());
    fuzz(2, &corpus, |bytes| {
        let code: String = String::from_utf8_lossy(bytes)
            .chars()
            .map(|c| match c {
                '&' => "&amp;".to_owned(),
                '<' => "&lt;".to_owned(),
                '"' => "&quot;".to_owned(),
                other => other.to_string(),
            })
            .collect();
        let xml = format!(
            r#"<root BTCPP_format="4"><BehaviorTree ID="M"><Sequence><ForceSuccess><ScriptCondition code="{code}" _skipIf="{code}"/></ForceSuccess><Script code="{code}" _post="{code}"/></Sequence></BehaviorTree></root>"#
        );
        run(&factory, &xml);
    });
}

/// `check` on whatever bytes, in a file of that kind.
fn check(seed: u64, extension: &str, corpus: &[Vec<u8>]) {
    let factory = factory();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged").with_extension(extension);
    fuzz(seed, corpus, |bytes| {
        std::fs::write(&path, bytes).unwrap();
        for fault in factory.check_file(&path, &[]) {
            assert!(fault.line >= 1 && fault.column >= 1, "{fault:?}");
        }
    });
}

#[test]
fn no_tree_makes_check_panic() {
    check(3, "xml", &trees());
}

#[test]
fn no_locations_file_makes_check_panic() {
    let corpus = [
        b"kitchen: [1.0, 2.5, 1.57]\nhall: [0, -1, 3.14]\n".to_vec(),
        b"# comment\n\"a b\": [1e3, .5, +2]\nb: &x [0, 0, 0]\nc: *x\n".to_vec(),
        b"a:\n  - 1\n  - 2\n  - {x: 3}\n---\nb: |\n  text\n".to_vec(),
    ];
    check(4, "yaml", &corpus);
}
