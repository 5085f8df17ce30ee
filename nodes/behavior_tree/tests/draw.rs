//! Pictures of trees.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use behavior_tree::{Factory, Tree, draw};

const TREE: &str = r#"<root BTCPP_format="4" main_tree_to_execute="Main">
  <BehaviorTree ID="Main">
    <Sequence name="all &lt; of it">
      <Fallback><AlwaysSuccess/><Inverter><ScriptCondition name="is &quot;it&quot;" code="true"/></Inverter></Fallback>
      <SubTree ID="Rest"/>
      <Parallel><Sleep msec="100"/></Parallel>
    </Sequence>
  </BehaviorTree>
  <BehaviorTree ID="Rest"><AlwaysSuccess/></BehaviorTree>
</root>"#;

fn ticked() -> Tree {
    let mut tree = Factory::new().load_text(TREE).unwrap();
    tree.tick_exactly_once(Duration::ZERO).unwrap();
    tree
}

#[test]
fn a_tree_as_text() {
    let idle = "\
→ all < of it [Sequence]
├─ ? Fallback
│  ├─ □ AlwaysSuccess
│  └─ ◇ Inverter
│     └─ ○ is \"it\" [ScriptCondition]
├─ ▷ Rest [SubTree]
│  └─ □ AlwaysSuccess
└─ ⇉ Parallel
   └─ □ Sleep
";
    assert_eq!(draw::text(&Factory::new().load_text(TREE).unwrap()), idle);
    let running = "\
→ all < of it [Sequence]  RUNNING
├─ ? Fallback  SUCCESS
│  ├─ □ AlwaysSuccess
│  └─ ◇ Inverter
│     └─ ○ is \"it\" [ScriptCondition]
├─ ▷ Rest [SubTree]  SUCCESS
│  └─ □ AlwaysSuccess
└─ ⇉ Parallel  RUNNING
   └─ □ Sleep  RUNNING
";
    assert_eq!(draw::text(&ticked()), running);
}

#[test]
fn a_tree_as_svg_is_xml_with_a_box_a_node_and_none_over_another() {
    let tree = ticked();
    let svg = draw::svg(&tree);
    let document = roxmltree::Document::parse(&svg).unwrap();
    let named = |name: &'static str| {
        document
            .descendants()
            .filter(move |node| node.has_tag_name(name))
    };
    assert_eq!(named("rect").count(), tree.len());
    assert_eq!(named("path").count(), tree.len() - 1);
    let titles: Vec<_> = named("title").filter_map(|node| node.text()).collect();
    assert_eq!(titles[0], "all < of it RUNNING");
    let mut rows: HashMap<u32, Vec<(u32, u32)>> = HashMap::new();
    let svg = document.root_element();
    let number = |node: roxmltree::Node<'_, '_>, name| -> u32 {
        node.attribute(name).unwrap().parse().unwrap()
    };
    for rect in named("rect") {
        let (x, width) = (number(rect, "x"), number(rect, "width"));
        assert!(x + width < number(svg, "width"));
        assert!(number(rect, "y") + 44 < number(svg, "height"));
        rows.entry(number(rect, "y"))
            .or_default()
            .push((x, x + width));
    }
    for row in rows.values_mut() {
        row.sort_unstable();
        assert!(row.windows(2).all(|pair| pair[0].1 < pair[1].0), "{row:?}");
    }
}

#[test]
fn the_program_draws_nodes_that_a_model_declares() {
    let folder = tempfile::tempdir().unwrap();
    let xml = r#"<root BTCPP_format="4"><TreeNodesModel><Control ID="Both"/><Action ID="Wave"/></TreeNodesModel>
      <BehaviorTree ID="M"><Both><Wave/><Wave name="again"/></Both></BehaviorTree></root>"#;
    std::fs::write(folder.path().join("tree.xml"), xml).unwrap();
    let run = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_behavior_tree"))
            .args(args)
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let output = run(&["draw", "tree.xml"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "◆ Both\n├─ □ Wave\n└─ □ again [Wave]\n");
    assert!(
        run(&["draw", "tree.xml", "--svg", "tree.svg"])
            .status
            .success()
    );
    let svg = std::fs::read_to_string(folder.path().join("tree.svg")).unwrap();
    assert_eq!(svg.matches("<rect").count(), 3);
    assert_eq!(run(&["draw", "none.xml"]).status.code(), Some(2));
}
