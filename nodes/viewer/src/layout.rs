//! How the viewer arranges it all: the blueprint that goes into the recording.

use rerun::blueprint::components::PanelState;
use rerun::blueprint::{
    Blueprint, Horizontal, SelectionPanel, Spatial2DView, Spatial3DView, StateTimelineView, Tabs,
    TextDocumentView, TextLogView, TimePanel, TimeSeriesView, Vertical,
};

/// The maze on the left, what the robot sees and decides on the right.
pub fn blueprint() -> Blueprint {
    let maze = Spatial3DView::new("Maze")
        .with_origin("map")
        .with_contents([
            "+ /map/**",
            "+ /robot/**",
            "+ /tf/**",
            "+ /lidar/**",
            "+ /plan/**",
            "+ /goals/**",
            "+ /object/**",
            "+ /trail/**",
            "+ /camera",
            "+ /camera/image",
        ]);
    let states = StateTimelineView::new("Tree and e-stop").with_contents([
        "+ /tree/state",
        "+ /tree/leaf",
        "+ /e_stop",
    ]);
    let camera = Spatial2DView::new("Camera").with_origin("camera/image");
    let scalars = |name: &str, origin: &str| TimeSeriesView::new(name).with_origin(origin).into();
    let figures = Tabs::new([
        scalars("Linear velocity", "velocity/linear"),
        scalars("Angular velocity", "velocity/angular"),
        scalars("Latencies", "latency"),
    ]);
    let words = Tabs::new([
        TextLogView::new("Log").with_origin("log").into(),
        TextDocumentView::new("Tree")
            .with_origin("tree/status")
            .into(),
        TextLogView::new("Transitions")
            .with_origin("tree/transitions")
            .into(),
    ]);
    let left = Vertical::new([maze.into(), states.into()]).with_row_shares([4.0, 1.0]);
    let right = Vertical::new([camera.into(), figures.into(), words.into()])
        .with_row_shares([3.0, 2.0, 2.0]);
    Blueprint::new(Horizontal::new([left.into(), right.into()]).with_column_shares([3.0, 2.0]))
        .with_auto_layout(false)
        .with_auto_views(false)
        .with_selection_panel(SelectionPanel::from_state(PanelState::Collapsed))
        .with_time_panel(TimePanel::new().with_timeline("sim_time"))
}
