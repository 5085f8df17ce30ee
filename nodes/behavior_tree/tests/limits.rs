//! Trees that are very large, very deep, or no trees at all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::time::Duration;

use behavior_tree::{Factory, Status, Tree};

fn nested(depth: usize) -> String {
    let (open, close) = ("<Inverter>".repeat(depth), "</Inverter>".repeat(depth));
    format!(
        r#"<root BTCPP_format="4"><BehaviorTree ID="Main">{open}<AlwaysSuccess/>{close}</BehaviorTree></root>"#
    )
}

fn tick_to_end(tree: &mut Tree) -> Status {
    tree.tick_exactly_once(Duration::ZERO).unwrap()
}

#[test]
fn nesting_up_to_the_limit_runs_and_beyond_it_is_an_error() {
    // The leaf is one level below the last decorator.
    let mut tree = Factory::new().load_text(&nested(255)).unwrap();
    assert_eq!(tick_to_end(&mut tree), Status::Failure);
    let error = Factory::new().load_text(&nested(256)).unwrap_err();
    assert!(error.to_string().contains("256 levels"), "{error}");
}

#[test]
fn nesting_without_bounds_is_an_error_and_no_overflow() {
    for text in [
        nested(100_000),
        "<a>".repeat(1_000_000),
        format!("<root>{}", "<b/>".repeat(100_000)),
    ] {
        assert!(Factory::new().load_text(&text).is_err());
    }
}

#[test]
fn sub_trees_in_sub_trees_run_on_a_small_stack() {
    let n = 8;
    let mut xml = String::from(r#"<root BTCPP_format="4" main_tree_to_execute="T0">"#);
    for level in 0..n {
        let inner = if level + 1 == n {
            "<AlwaysSuccess/>".into()
        } else {
            format!(r#"<SubTree ID="T{}"/>"#, level + 1)
        };
        let (open, close) = ("<ForceSuccess>".repeat(250), "</ForceSuccess>".repeat(250));
        xml += &format!(r#"<BehaviorTree ID="T{level}">{open}{inner}{close}</BehaviorTree>"#);
    }
    xml += "</root>";
    // The stack of a test's thread is 2 MiB.
    let mut tree = Factory::new().load_text(&xml).unwrap();
    assert_eq!(tree.len(), 8 * 251);
    assert_eq!(tick_to_end(&mut tree), Status::Success);
    tree.halt().unwrap();
}

#[test]
fn sub_trees_without_bounds_are_an_error() {
    let mut xml = String::from(r#"<root BTCPP_format="4" main_tree_to_execute="T0">"#);
    for level in 0..5000 {
        xml += &format!(
            r#"<BehaviorTree ID="T{level}"><SubTree ID="T{}"/></BehaviorTree>"#,
            level + 1
        );
    }
    xml += r#"<BehaviorTree ID="T5000"><AlwaysSuccess/></BehaviorTree></root>"#;
    let error = Factory::new().load_text(&xml).unwrap_err();
    assert!(error.to_string().contains("levels deep"), "{error}");
}

#[test]
fn a_million_nodes_load_and_tick() {
    let group = format!("<Sequence>{}</Sequence>", "<AlwaysSuccess/>".repeat(999));
    let xml = format!(
        r#"<root BTCPP_format="4"><BehaviorTree ID="Main"><Sequence>{}</Sequence></BehaviorTree></root>"#,
        group.repeat(1000)
    );
    let mut tree = Factory::new().load_text(&xml).unwrap();
    assert_eq!(tree.len(), 1_000_001);
    assert_eq!(tick_to_end(&mut tree), Status::Success);
    assert_eq!(tick_to_end(&mut tree), Status::Success);
}

#[test]
fn scripts_of_any_depth_are_read_or_refused() {
    let load = |code: &str| {
        let xml = format!(
            r#"<root BTCPP_format="4"><BehaviorTree ID="M"><Script code="{code}"/></BehaviorTree></root>"#
        );
        Factory::new().load_text(&xml)
    };
    assert!(load(&format!("x := {}1{}", "(".repeat(100), ")".repeat(100))).is_ok());
    for code in [
        format!("x := {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("x := {}1", "-".repeat(100_000)),
        format!("x := 1{}", " + 1".repeat(100_000)),
        "x = ".repeat(100_000) + "1",
        "1 ? ".repeat(100_000),
    ] {
        assert!(load(&code).is_err());
    }
}
