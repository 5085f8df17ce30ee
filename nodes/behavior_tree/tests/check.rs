//! `check` warns where a tree leans on a bug of BehaviorTree.CPP that is followed here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use behavior_tree::Factory;

/// The codes of what is wrong with a tree.
fn codes(body: &str) -> Vec<&'static str> {
    let xml =
        format!(r#"<root BTCPP_format="4"><BehaviorTree ID="Main">{body}</BehaviorTree></root>"#);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tree.xml");
    std::fs::write(&path, xml).unwrap();
    let faults = Factory::new().check_file(&path, &[]);
    faults.into_iter().map(|fault| fault.code).collect()
}

#[test]
fn bugs_that_a_tree_leans_on() {
    for (code, body) in [
        (
            "stale-condition",
            r#"<IfThenElse><AlwaysFailure _successIf="true"/><AlwaysSuccess/></IfThenElse>"#,
        ),
        (
            "skipped-condition",
            r#"<WhileDoElse><AlwaysFailure _skipIf="true"/><AlwaysSuccess/></WhileDoElse>"#,
        ),
        (
            "skipped-success",
            r#"<Parallel><AlwaysSuccess _skipIf="true"/><AlwaysSuccess _while="true"/></Parallel>"#,
        ),
        (
            "threshold",
            r#"<ParallelAll max_failures="0"><AlwaysSuccess/></ParallelAll>"#,
        ),
        (
            "reactive-explicit",
            r#"<ReactiveSequence><Action ID="AlwaysSuccess"/></ReactiveSequence>"#,
        ),
        (
            "left-empty",
            r#"<Sequence><Script code="s := 'a'"/><SetBlackboard value="b" output_key="s"/></Sequence>"#,
        ),
        (
            "left-empty",
            r#"<Sequence><Script code="s := 'a'"/><SetBlackboard value="{s}" output_key="t"/></Sequence>"#,
        ),
        (
            "tree-twice",
            r#"<AlwaysSuccess/></BehaviorTree><BehaviorTree ID="Main"><AlwaysSuccess/>"#,
        ),
    ] {
        assert!(codes(body).contains(&code), "{body}: {:?}", codes(body));
    }
}

#[test]
fn what_looks_like_them_and_is_none() {
    for body in [
        r#"<Parallel><AlwaysSuccess _skipIf="true"/><AlwaysSuccess/></Parallel>"#,
        r#"<Parallel success_count="1"><AlwaysSuccess _skipIf="true"/></Parallel>"#,
        // Numbers are copied, and an entry that a port has typed takes text.
        r#"<Sequence><Script code="n := 1"/><SetBlackboard value="{n}" output_key="t"/></Sequence>"#,
        r#"<Sequence><SetBlackboard value="5" output_key="ms"/><Script code="ms := 6"/><Sleep msec="{ms}"/></Sequence>"#,
        r#"<Sequence><SetBlackboard value="a" output_key="s"/><SetBlackboard value="{s}" output_key="t"/></Sequence>"#,
    ] {
        let codes = codes(body);
        let leans = |code: &&str| matches!(*code, "skipped-success" | "left-empty");
        assert!(!codes.iter().any(leans), "{body}: {codes:?}");
    }
}
