//! Keeps the bridge's Cyclone DDS on loopback where ROS is to stay on this machine.
//!
//! With `ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST` the plugin switches multicast off and names localhost as a peer, but
//! Cyclone DDS still announces the address of an outer interface, and Fast DDS nodes do not answer there (seen with
//! plugin 1.10.2 and Fast DDS 2.14.5: nothing is discovered). On the loopback interface they find each other.

use std::os::unix::process::CommandExt;

const RANGE: &str = "ROS_AUTOMATIC_DISCOVERY_RANGE";
const CYCLONE: &str = "CYCLONEDDS_URI";
const LOOPBACK: &str = "<CycloneDDS><Domain><General><Interfaces><NetworkInterface name=\"lo\"/></Interfaces></General></Domain></CycloneDDS>";

/// Replaces this process by itself with Cyclone DDS told so, unless it is told something already. Returns only when
/// nothing is to be done, or with the error that prevented it.
pub fn stay_on_it() -> Option<std::io::Error> {
    let local = std::env::var(RANGE).is_ok_and(|range| range == "LOCALHOST");
    if !local || std::env::var_os(CYCLONE).is_some() {
        return None;
    }
    let me = match std::env::current_exe() {
        Ok(me) => me,
        Err(error) => return Some(error),
    };
    let mut again = std::process::Command::new(me);
    again
        .args(std::env::args_os().skip(1))
        .env(CYCLONE, LOOPBACK);
    Some(again.exec())
}
