//! What the loggers write of a run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use behavior_tree::{Factory, Status, Tree, loggers};

const TREE: &str = r#"<root BTCPP_format="4" main_tree_to_execute="Main">
  <BehaviorTree ID="Main">
    <Sequence name="all"><SubTree ID="Rest" _onSuccess="x := 'a&lt;b'"/><AlwaysSuccess/></Sequence>
  </BehaviorTree>
  <BehaviorTree ID="Rest"><Sleep name="wait" msec="20"/></BehaviorTree>
</root>"#;

fn run(tree: &mut Tree) {
    let mut now = Duration::ZERO;
    while tree.tick_exactly_once(now).unwrap() == Status::Running {
        now += Duration::from_millis(10);
    }
}

fn load() -> Tree {
    Factory::new().load_text(TREE).unwrap()
}

/// Bytes that a test can look at afterwards.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn lines_of_text() {
    let mut tree = load();
    let out = Shared::default();
    loggers::text(&mut tree, out.clone());
    run(&mut tree);
    let text = out.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "[0.000]: all                       IDLE -> RUNNING"
    );
    assert_eq!(
        lines[3],
        "[0.020]: wait                      RUNNING -> SUCCESS"
    );
    assert_eq!(lines.len(), 11, "{text}");
}

#[test]
fn tracing_events() {
    let out = Shared::default();
    let made = out.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || made.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let mut tree = load();
        loggers::events(&mut tree);
        run(&mut tree);
    });
    let text = out.text();
    let events: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), 11);
    let fields = &events[3]["fields"];
    assert_eq!(fields["node"], "Rest::2/wait");
    assert_eq!(
        (&fields["from"], &fields["to"]),
        (&"RUNNING".into(), &"SUCCESS".into())
    );
    assert_eq!(events[3]["level"], "DEBUG");
}

#[test]
fn a_btlog_file_holds_the_tree_and_its_transitions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.btlog");
    let mut tree = load();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&seen);
    tree.observe(move |t| shared.lock().unwrap().push((t.time, t.uid, t.to as u8)));
    loggers::btlog(
        &mut tree,
        &path,
        UNIX_EPOCH + Duration::from_micros(1_234_567),
    )
    .unwrap();
    run(&mut tree);
    drop(tree);

    let bytes = std::fs::read(&path).unwrap();
    let mut rest = bytes.as_slice();
    let mut take = |n: usize| {
        let (piece, after) = rest.split_at(n);
        rest = after;
        piece
    };
    assert_eq!(take(18), b"BTCPP4-FileLogger2");
    assert_eq!(take(1), [1]);
    let length = i32::from_le_bytes(take(4).try_into().unwrap());
    let xml = std::str::from_utf8(take(length as usize)).unwrap();
    assert_eq!(i64::from_le_bytes(take(8).try_into().unwrap()), 1_234_567);
    let records = rest.chunks_exact(9);
    assert!(records.remainder().is_empty());
    let records: Vec<_> = records
        .map(|record| {
            let mut micros = [0; 8];
            micros[..6].copy_from_slice(&record[..6]);
            let uid = u16::from_le_bytes([record[6], record[7]]);
            let time = Duration::from_micros(u64::from_le_bytes(micros));
            (time, u32::from(uid), record[8])
        })
        .collect();
    assert_eq!(records, *seen.lock().unwrap());

    let document = roxmltree::Document::parse(xml).unwrap();
    let trees: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("BehaviorTree"))
        .map(|node| {
            (
                node.attribute("ID").unwrap(),
                node.attribute("_fullpath").unwrap(),
            )
        })
        .collect();
    assert_eq!(trees, [("Main", ""), ("Rest", "Rest::2")]);
    let by_uid = |uid: &str| {
        document
            .descendants()
            .find(|node| node.attribute("_uid") == Some(uid))
            .unwrap()
    };
    assert_eq!(by_uid("1").tag_name().name(), "Sequence");
    assert_eq!(by_uid("2").attribute("_fullpath"), Some("Rest::2"));
    assert_eq!(by_uid("2").attribute("_onSuccess"), Some("x := 'a<b'"));
    assert_eq!(by_uid("3").attribute("msec"), Some("20"));
    assert!(xml.contains("<Action ID=\"Sleep\">"));
}

#[test]
fn the_tree_as_xml_loads_again() {
    let xml = r#"<root BTCPP_format="4"><BehaviorTree ID="M"><Fallback name="f"><AlwaysFailure/><Script code="x := 'a&lt;b' .. '&quot;'"/></Fallback></BehaviorTree></root>"#;
    let mut tree = Factory::new().load_text(xml).unwrap();
    let mut again = Factory::new().load_text(&tree.to_xml()).unwrap();
    run(&mut tree);
    run(&mut again);
    assert_eq!(
        format!("{:?}", tree.entries()),
        format!("{:?}", again.entries())
    );
    assert_eq!(tree.to_xml(), again.to_xml());
}

#[test]
fn a_tree_that_16_bits_cannot_number_is_refused() {
    let many = "<AlwaysSuccess/>".repeat(65_535);
    let xml = format!(
        r#"<root BTCPP_format="4"><BehaviorTree ID="M"><Sequence>{many}</Sequence></BehaviorTree></root>"#
    );
    let mut tree = Factory::new().load_text(&xml).unwrap();
    let path = tempfile::tempdir().unwrap().path().join("x.btlog");
    let error = loggers::btlog(&mut tree, path, UNIX_EPOCH).unwrap_err();
    assert!(error.to_string().contains("65535"), "{error}");
}
