//! `check`: what is wrong with a tree, all of it, where it is; and nothing where nothing is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::path::{Path, PathBuf};

use behavior_tree::{Factory, Fault, Severity};

fn faults_of(xml: &str) -> Vec<Fault> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tree.xml");
    std::fs::write(&path, xml).unwrap();
    Factory::new().check_file(&path, &[])
}

fn faults(body: &str) -> Vec<Fault> {
    faults_of(&format!(
        "<root BTCPP_format=\"4\"><BehaviorTree ID=\"Main\">\n{body}\n</BehaviorTree></root>"
    ))
}

/// The codes of what is wrong with a tree.
fn codes(body: &str) -> Vec<&'static str> {
    faults(body).into_iter().map(|fault| fault.code).collect()
}

fn has_error(faults: &[Fault]) -> bool {
    faults.iter().any(|fault| fault.severity == Severity::Error)
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

#[test]
fn what_is_never_reached() {
    for body in [
        r#"<Sequence><AlwaysSuccess/><¦AlwaysSuccess _skipIf="true"/></Sequence>"#,
        r#"<Sequence><AlwaysSuccess/><¦Sequence _successIf="1 &lt; 2"><AlwaysSuccess/></Sequence></Sequence>"#,
        r#"<Sequence><Sequence _failureIf="true"><AlwaysSuccess/></Sequence><¦AlwaysSuccess/></Sequence>"#,
        r#"<Repeat num_cycles="0"><¦AlwaysSuccess/></Repeat>"#,
        r#"<RetryUntilSuccessful num_attempts="-2"><¦AlwaysSuccess/></RetryUntilSuccessful>"#,
        r#"<Sequence><Repeat num_cycles="0"><AlwaysFailure/></Repeat><RetryUntilSuccessful num_attempts="0"><AlwaysSuccess/></RetryUntilSuccessful><¦AlwaysSuccess/></Sequence>"#,
        r#"<Sequence><SubTree ID="Fails"/><¦AlwaysSuccess/></Sequence></BehaviorTree><BehaviorTree ID="Fails"><Inverter><SubTree ID="Works"/></Inverter></BehaviorTree><BehaviorTree ID="Works"><AlwaysSuccess/>"#,
        r#"<Switch2 variable="a" case_1="1" case_2="1.0"><AlwaysSuccess/><¦AlwaysFailure/><AlwaysSuccess/></Switch2>"#,
    ] {
        let before = body.split('¦').next().unwrap();
        let column = before.chars().count() + 1;
        let faults = faults(&body.replace('¦', ""));
        let places: Vec<_> = faults
            .iter()
            .filter(|fault| fault.code == "unreachable")
            .map(|fault| fault.column)
            .collect();
        assert!(places.contains(&column), "{body}: {faults:#?}");
    }
    for body in [
        r#"<Sequence><AlwaysSuccess _skipIf="false"/><AlwaysSuccess _while="true"/></Sequence>"#,
        r#"<Sequence><SubTree ID="Works"/><AlwaysSuccess/></Sequence></BehaviorTree><BehaviorTree ID="Works"><AlwaysSuccess/>"#,
        r#"<Sequence><SubTree ID="Fails" _skipIf="x"/><AlwaysSuccess/></Sequence></BehaviorTree><BehaviorTree ID="Fails"><AlwaysFailure/>"#,
        r#"<Switch2 variable="a" case_1="1" case_2="2"><AlwaysSuccess/><AlwaysFailure/><AlwaysSuccess/></Switch2>"#,
    ] {
        assert!(!codes(body).contains(&"unreachable"), "{body}");
    }
}

#[test]
fn what_never_ends_unless_something_ends_it() {
    let sub = r#"</BehaviorTree><BehaviorTree ID="Works"><AlwaysSuccess/>"#;
    for (is_endless, body) in [
        (
            true,
            r#"<KeepRunningUntilFailure><SubTree ID="Works"/></KeepRunningUntilFailure>"#,
        ),
        (
            true,
            r#"<RetryUntilSuccessful num_attempts="-1"><Inverter><SubTree ID="Works"/></Inverter></RetryUntilSuccessful>"#,
        ),
        (
            true,
            r#"<ReactiveSequence><Repeat num_cycles="-1"><AlwaysSuccess/></Repeat><SubTree ID="Works"/></ReactiveSequence>"#,
        ),
        (
            false,
            r#"<Timeout msec="9"><RetryUntilSuccessful num_attempts="-1"><AlwaysFailure/></RetryUntilSuccessful></Timeout>"#,
        ),
        (
            false,
            r#"<ReactiveSequence><SubTree ID="Works"/><Repeat num_cycles="-1"><AlwaysSuccess/></Repeat></ReactiveSequence>"#,
        ),
        (
            false,
            r#"<Sequence _while="n"><Repeat num_cycles="-1"><AlwaysSuccess/></Repeat></Sequence>"#,
        ),
        (
            false,
            r#"<Timeout msec="9"><SubTree ID="Waits"/></Timeout></BehaviorTree><BehaviorTree ID="Waits"><KeepRunningUntilFailure><AlwaysSuccess/></KeepRunningUntilFailure>"#,
        ),
    ] {
        let found = codes(&format!("{body}{sub}"));
        assert_eq!(found.contains(&"endless"), is_endless, "{body}: {found:?}");
    }
}

#[test]
fn conditions_that_no_value_meets() {
    for (never, script) in [
        (true, "x &gt; 5 &amp;&amp; (x &lt; 3 || x &lt; 2)"),
        (true, "x == 'a' &amp;&amp; (x == 'b' || x == 'c')"),
        (true, "x &lt; x"),
        (false, "x &gt; 5 &amp;&amp; (x &lt; 3 || x == 7)"),
        // NaN.
        (false, "x != x"),
        (false, "x &gt; 5 || x &lt; 3"),
    ] {
        let body = format!(
            r#"<Sequence><Script code="x := 1"/><AlwaysSuccess _skipIf="{script}"/></Sequence>"#
        );
        assert_eq!(codes(&body).contains(&"never-true"), never, "{script}");
    }
}

#[test]
fn what_is_waited_for_or_taken_from_a_queue_must_come_from_somewhere() {
    for body in [
        r#"<WaitValueUpdate entry="{pose}"><AlwaysSuccess/></WaitValueUpdate>"#,
        r#"<LoopInt queue="{todo}" value="{n}"><AlwaysSuccess/></LoopInt>"#,
    ] {
        assert!(codes(body).contains(&"never-written"), "{body}");
        let with_script = format!(
            r#"<Sequence><Script code="pose := 1"/><SetBlackboard value="1;2" output_key="todo"/>{body}</Sequence>"#
        );
        assert!(!codes(&with_script).contains(&"never-written"), "{body}");
    }
}

#[test]
fn models_are_looked_at_too() {
    let of_model = |model: &str| -> Vec<_> {
        let xml = format!(
            r#"<root BTCPP_format="4"><BehaviorTree ID="Main"><AlwaysSuccess/></BehaviorTree><TreeNodesModel>{model}</TreeNodesModel></root>"#
        );
        let faults = faults_of(&xml);
        faults
            .into_iter()
            .map(|fault| (fault.code, fault.severity))
            .collect()
    };
    assert_eq!(
        of_model(r#"<Action ID="A"><input_port name="x" type="int"/></Action>"#),
        []
    );
    for (model, severity) in [
        (r#"<Action/>"#, Severity::Error),
        (r#"<Action ID="Root"/>"#, Severity::Error),
        (
            r#"<Action ID="A"><input_port type="int"/></Action>"#,
            Severity::Error,
        ),
        (
            r#"<Action ID="A"><input_port name="_x"/></Action>"#,
            Severity::Warning,
        ),
    ] {
        assert_eq!(of_model(model), [("model", severity)], "{model}");
    }
}

#[test]
fn trees_that_use_each_other_twice_are_refused_before_they_fill_the_memory() {
    let tree = |level: usize| {
        let sub_tree = format!(r#"<SubTree ID="T{}"/>"#, level + 1);
        format!(
            r#"<BehaviorTree ID="T{level}"><Sequence>{sub_tree}{sub_tree}</Sequence></BehaviorTree>"#
        )
    };
    let trees: String = (0..40).map(tree).collect();
    let xml = format!(
        r#"<root BTCPP_format="4" main_tree_to_execute="T0">{trees}<BehaviorTree ID="T40"><AlwaysSuccess/></BehaviorTree></root>"#
    );
    let codes: Vec<_> = faults_of(&xml).iter().map(|fault| fault.code).collect();
    assert!(codes.contains(&"too-large"), "{codes:?}");
    let error = Factory::new().load_text(&xml).err().unwrap();
    assert_eq!(error.0.code, "too-large");
}

#[test]
fn a_file_that_is_included_from_two_sides_is_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("<root BTCPP_format=\"4\">{content}</root>")).unwrap();
        path
    };
    write(
        "common.xml",
        r#"<BehaviorTree ID="Common"><AlwaysSuccess/></BehaviorTree>"#,
    );
    write(
        "a.xml",
        r#"<include path="common.xml"/><BehaviorTree ID="A"><SubTree ID="Common"/></BehaviorTree>"#,
    );
    let main = write(
        "main.xml",
        r#"<include path="common.xml"/><include path="a.xml"/><BehaviorTree ID="Main"><SubTree ID="A"/></BehaviorTree>"#,
    );
    assert_eq!(Factory::new().check_file(&main, &[]), []);
    // Each includes the next twice.
    for level in 0..40 {
        let next = level + 1;
        write(
            &format!("l{level}.xml"),
            &format!(r#"<include path="l{next}.xml"/><include path="l{next}.xml"/>"#),
        );
    }
    let last = write("l40.xml", "");
    assert!(!has_error(&Factory::new().check_file(&last, &[])));
    assert!(has_error(
        &Factory::new().check_file(&folder.path().join("l0.xml"), &[])
    ));
}

#[test]
fn there_is_an_error_where_a_run_ends_in_one_and_none_elsewhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let files = std::fs::read_dir(folder).unwrap();
    let files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let parts: Vec<&str> = text.split("---\n").collect();
        let breaks = parts[0].contains("\nresult: ERROR");
        let faults = faults_of(parts[1]);
        if has_error(&faults) != breaks {
            wrong.push(format!("{}: {faults:#?}", file.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} files\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Faults and the place of each, which `¦` marks.
const PLACES: [(&str, &str); 25] = [
    ("unknown-node", "<¦Sequnce><AlwaysSuccess/></Sequnce>"),
    ("unknown-port", r#"<Sleep msec="1" ¦mses="1"/>"#),
    ("missing-port", "<¦Repeat><AlwaysSuccess/></Repeat>"),
    ("port-type", r#"<Sleep msec="¦soon"/>"#),
    (
        "port-type",
        r#"<Precondition if="true" else="¦success"><AlwaysSuccess/></Precondition>"#,
    ),
    ("script", r#"<Script code="a := (1¦"/>"#),
    ("script", r#"<ScriptCondition code="1 == ¦ü"/>"#),
    ("script-assignment", r#"<Script code="¦1 = 2"/>"#),
    (
        "never-written",
        r#"<ScriptCondition code="1 == ¦nothing"/>"#,
    ),
    (
        "maybe-unwritten",
        r#"<Sequence><Fallback><AlwaysSuccess/><Script code="x := 1"/></Fallback><ScriptCondition code="¦x == 1"/></Sequence>"#,
    ),
    ("never-true", r#"<AlwaysSuccess _skipIf="¦1 == 2"/>"#),
    ("unknown-tree", r#"<¦SubTree ID="Nowhere"/>"#),
    ("recursion", r#"<Sequence><¦SubTree ID="Main"/></Sequence>"#),
    (
        "unreachable",
        "<Sequence><AlwaysFailure/><¦AlwaysSuccess/></Sequence>",
    ),
    (
        "endless",
        "<¦KeepRunningUntilFailure><AlwaysSuccess/></KeepRunningUntilFailure>",
    ),
    ("children", "<¦IfThenElse><AlwaysSuccess/></IfThenElse>"),
    (
        "threshold",
        r#"<¦Parallel success_count="3"><AlwaysSuccess/></Parallel>"#,
    ),
    (
        "type-conflict",
        r#"<Sequence><Sleep msec="{t}"/><Repeat num_cycles="¦{t}"><AlwaysSuccess/></Repeat></Sequence>"#,
    ),
    (
        "entry-type",
        r#"<Sequence><Script code="¦t := 'soon'"/><Sleep msec="{t}"/></Sequence>"#,
    ),
    (
        "entry-type",
        r#"<Sequence><SetBlackboard value="¦soon" output_key="t"/><Sleep msec="{t}"/></Sequence>"#,
    ),
    (
        "breaks",
        r#"<Sequence><SetBlackboard value="x" output_key="n"/><ForceSuccess><ScriptCondition code="¦n &gt; 1"/></ForceSuccess></Sequence>"#,
    ),
    ("ignored-attribute", r#"<AlwaysSuccess ¦_skipif="false"/>"#),
    ("xml", "<Sequence><AlwaysSuccess/></¦Fallback>"),
    ("xml", r#"<AlwaysSuccess name="a" ¦name="b"/>"#),
    (
        "literal-output",
        r#"<LoopInt queue="1" value="¦2"><AlwaysSuccess/></LoopInt>"#,
    ),
];

#[test]
fn each_fault_is_told_with_its_place() {
    for (code, body) in PLACES {
        let before = body.split('¦').next().unwrap();
        // The body begins in the second line.
        let column = before.chars().count() + 1;
        let faults = faults(&body.replace('¦', ""));
        let found = faults
            .iter()
            .any(|fault| (fault.code, fault.line, fault.column) == (code, 2, column));
        assert!(found, "{code} at column {column} of {body}: {faults:#?}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let faults = faults(
        r#"<Sequence>
  <Sleep msec="{t}"/>
  <Repeat num_cycles="{t}"><AlwaysSuccess/></Repeat>
  <RetryUntilSuccessful><AlwaysSuccess msec="1"/></RetryUntilSuccessful>
  <Script code="x := "/>
  <AlwaysSuccess _skipIf="y"/>
  <SubTree ID="Main"/>
  <SubTree ID="Mian"/>
  <Slep msec="1"/>
  <Inverter/>
  <AlwaysSuccess ID="foo"/>
  <AlwaysSuccess name="&#7;"/>
  <Sleep msec="soon"/>
</Sequence>"#,
    );
    let found: Vec<(usize, &str)> = faults.iter().map(|f| (f.line, f.code)).collect();
    assert_eq!(
        found,
        [
            (3, "never-written"),
            (4, "type-conflict"),
            (4, "never-written"),
            (5, "missing-port"),
            (5, "unknown-port"),
            (6, "script"),
            (7, "never-written"),
            (8, "recursion"),
            (9, "unknown-tree"),
            (10, "unknown-node"),
            (11, "children"),
            (12, "id"),
            (13, "name"),
            (14, "port-type"),
        ]
    );
}

#[test]
fn what_a_run_never_meets_is_only_a_warning() {
    let faults = faults(r#"<Script code="x := true ? 1 : nothing"/>"#);
    assert_eq!(
        faults
            .iter()
            .map(|f| (f.code, f.severity))
            .collect::<Vec<_>>(),
        [("never-written", Severity::Warning)]
    );
}

#[test]
fn a_main_tree_that_is_not_there() {
    let faults = faults_of(
        r#"<root BTCPP_format="4" main_tree_to_execute="Mian"><BehaviorTree ID="Main"><AlwaysSuccess/></BehaviorTree></root>"#,
    );
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert_eq!((faults[0].code, faults[0].column), ("unknown-tree", 46));
    assert!(faults[0].remedy.contains("'Main'"));
}

#[test]
fn a_script_without_end_is_an_error_and_no_overflow() {
    for (op, operand) in [("+", "1"), ("&&", "x")] {
        let code = format!(
            "y := {operand}{}",
            format!(" {op} {operand}").repeat(100_000)
        );
        let code = code.replace('&', "&amp;");
        assert!(
            has_error(&faults(&format!(r#"<Script code="{code}"/>"#))),
            "{op}"
        );
    }
}

#[test]
fn a_key_that_an_entry_names_may_be_any() {
    let body = r#"<Sequence><Script code="k := 'foo'"/><SetBlackboard value="1" output_key="{k}"/>
        <ScriptCondition code="foo == 1"/></Sequence>"#;
    assert!(!has_error(&faults(body)), "{:?}", faults(body));
}
