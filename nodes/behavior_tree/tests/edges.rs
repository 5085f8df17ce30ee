//! What BehaviorTree.CPP does where trees are odd enough that the reference interpreter does not know of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::time::Duration;

use behavior_tree::{Factory, Status, TickError, Tree, Value};

fn ticked(trees: &str) -> (Tree, Result<Status, TickError>) {
    let xml = format!(r#"<root BTCPP_format="4" main_tree_to_execute="Main">{trees}</root>"#);
    let mut tree = Factory::new().load_text(&xml).unwrap();
    let result = tree.tick_exactly_once(Duration::ZERO);
    (tree, result)
}

#[test]
fn of_two_defaults_of_a_sub_trees_port_the_last_counts() {
    let (mut tree, _) = ticked(
        r#"<BehaviorTree ID="Main"><SubTree ID="Sub"/></BehaviorTree>
        <BehaviorTree ID="Sub"><Script code="@n := n"/></BehaviorTree>
        <TreeNodesModel><SubTree ID="Sub"><input_port name="n"/><input_port name="n" default="2"/></SubTree></TreeNodesModel>"#,
    );
    assert!(matches!(tree.get("n"), Some(Value::Int(2, _))));
}

#[test]
fn an_empty_script_that_is_handed_in_does_nothing_and_is_no_condition() {
    let main = r#"<BehaviorTree ID="Main"><SubTree ID="Sub" code=""/></BehaviorTree>"#;
    let sub = |node: &str| {
        format!(r#"{main}<BehaviorTree ID="Sub"><{node} code="{{code}}"/></BehaviorTree>"#)
    };
    assert_eq!(ticked(&sub("Script")).1.unwrap(), Status::Success);
    assert!(ticked(&sub("ScriptCondition")).1.is_err());
}

#[test]
fn a_status_entry_of_the_tree_above_takes_a_number_and_no_text() {
    let trees = |leaf: &str| {
        format!(
            r#"<BehaviorTree ID="Main"><Sequence>
              <SubTree ID="Sub" st="{{st}}"/>
              <Precondition if="false" else="{{st}}"><AlwaysFailure/></Precondition>
            </Sequence></BehaviorTree><BehaviorTree ID="Sub">{leaf}</BehaviorTree>"#
        )
    };
    let (_, result) = ticked(&trees(r#"<Script code="st := 2"/>"#));
    assert_eq!(result.unwrap(), Status::Success);
    let (_, result) = ticked(&trees(
        r#"<SetBlackboard value="SUCCESS" output_key="st"/>"#,
    ));
    assert_eq!(result.unwrap_err().id, "SetBlackboard");
}
