//! `GoToViewpoint`: drives to where an object that was sighted shows another side.

use std::f64::consts::PI;
use std::sync::Arc;

use behavior_tree::locations::Pose2D;
use behavior_tree::{In, Io, Leaf, Outcome, Ports};
use nalgebra::{Point3, Rotation2};

use super::drive::Drive;
use crate::navigation::Navigator;
use crate::vision::Sighting;

/// Half of the angles that a camera sees (55 and 43 degrees, as a D435i's colour camera): tangents.
const HALF_VIEW: [f64; 2] = [0.52, 0.39];
/// A second look is from no further than this part of the first one's distance, or it would show nothing new.
const NEARER: f64 = 0.8;

/// Drives to `distance` m from the object, `angle` rad further round it, and faces it. Further away where else it would not be
/// seen whole, but nearer than it was seen from before.
pub struct GoToViewpoint {
    drive: Drive,
    object: In<Arc<Sighting>>,
    angle: In<f64>,
    distance: In<f64>,
}

impl GoToViewpoint {
    pub fn new(ports: &mut Ports, navigator: Navigator) -> Self {
        Self {
            drive: Drive::new(navigator),
            object: ports.input("object", "The sighting, as LookForObject wrote it"),
            angle: ports.input_or(
                "angle",
                "0.0",
                "How far round the object, rad, from where it was sighted; counter-clockwise",
            ),
            distance: ports.input_or(
                "distance",
                "1.0",
                "How far from the object, m; further where it is too large to be seen whole from there",
            ),
        }
    }
}

impl Leaf for GoToViewpoint {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        let object = io.read(self.object)?;
        let (angle, distance) = (io.read(self.angle)?, io.read(self.distance)?);
        let before = (object.camera - object.place).xy().norm();
        let distance = distance.max(seen_whole_from(&object).min(NEARER * before));
        match viewpoint(object.place, object.camera, angle, distance) {
            Some(pose) => Ok(self.drive.begin("a viewpoint", pose)),
            None => Ok(io.fail("the object is where the camera was: it has no sides")),
        }
    }

    fn on_running(&mut self, io: &mut Io<'_>) -> Outcome {
        Ok(self.drive.go_on(io))
    }

    fn on_halted(&mut self, _: &mut Io<'_>) {
        self.drive.cancel();
    }
}

/// The distance from which a level camera at the height of the one before sees all of it, m.
fn seen_whole_from(object: &Sighting) -> f64 {
    let [width, height] = object.size;
    let above = (object.place.z - object.camera.z).abs() + height / 2.0;
    (width / 2.0 / HALF_VIEW[0]).max(above / HALF_VIEW[1])
}

/// The pose at `distance` from `object`, facing it, from which it is seen from `angle` further round than from `camera`.
fn viewpoint(
    object: Point3<f64>,
    camera: Point3<f64>,
    angle: f64,
    distance: f64,
) -> Option<Pose2D> {
    let outward = (camera - object).xy().try_normalize(0.05)?;
    let outward = Rotation2::new(angle) * outward;
    let there = object.xy() + outward * distance;
    // Back from the outward direction to the object.
    let theta = outward.y.atan2(outward.x) + PI;
    Some(Pose2D {
        x: there.x,
        y: there.y,
        theta,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tall_is_looked_at_from_further_away() {
        let tall = |size| Sighting {
            place: Point3::new(3.0, 0.0, 0.6),
            camera: Point3::new(0.0, 0.0, 0.1),
            size,
            confidence: 0.5,
            bbox: [0.0; 4],
        };
        // Its top is 1 m above the camera, which looks 0.39 m up for each m ahead.
        assert!((seen_whole_from(&tall([0.2, 1.0])) - 1.0 / 0.39).abs() < 1e-9);
        assert!((seen_whole_from(&tall([5.2, 1.0])) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn the_viewpoint_faces_the_object_from_its_other_side() {
        let (object, camera) = (Point3::new(2.0, 1.0, 0.3), Point3::new(0.0, 1.0, 0.2));
        let near = |pose: Pose2D, x: f64, y: f64, theta: f64| {
            (pose.x - x).abs() < 1e-9
                && (pose.y - y).abs() < 1e-9
                && ((pose.theta - theta) / (2.0 * PI)).fract().abs() < 1e-9
        };
        let straight = viewpoint(object, camera, 0.0, 0.5).unwrap();
        assert!(near(straight, 1.5, 1.0, 0.0), "{straight:?}");
        let round = viewpoint(object, camera, PI / 2.0, 1.0).unwrap();
        assert!(near(round, 2.0, 0.0, PI / 2.0), "{round:?}");
        assert_eq!(viewpoint(object, object, 0.0, 1.0), None);
    }
}
