//! The solid outlines that the robot and the lidar meet at a given height: distances and rays in the plane.

use crate::pose::Pose2;
use crate::robot;
use crate::world::{Collision, Model, Solid, World};

/// Solid outlines in the plane.
#[derive(Debug, Clone, Default)]
pub struct Obstacles {
    outlines: Vec<Outline>,
}

/// One convex outline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outline {
    /// A circle.
    Circle {
        /// m
        center: [f64; 2],
        /// m
        radius: f64,
    },
    /// A rectangle.
    Rectangle {
        /// Its middle, and the direction of its length.
        pose: Pose2,
        /// Half of its length and width, m.
        half: [f64; 2],
    },
}

impl Obstacles {
    /// What of the world's solids lies between two heights (m), seen from above.
    pub fn in_band(world: &World, low: f64, high: f64) -> Self {
        let mut outlines = Vec::new();
        for model in &world.models {
            for collision in &model.collisions {
                if let Some((outline, bottom, top)) = seen_from_above(model, collision, low, high)
                    && top >= low
                    && bottom <= high
                {
                    outlines.push(outline);
                }
            }
        }
        Self { outlines }
    }

    /// The outlines.
    pub fn outlines(&self) -> &[Outline] {
        &self.outlines
    }

    /// Distance along a ray to the nearest outline that it enters, up to `max`; a ray that starts inside an outline ignores that one.
    pub fn ray(&self, origin: [f64; 2], angle: f64, max: f64) -> Option<f64> {
        let (sin, cos) = angle.sin_cos();
        let mut nearest = max;
        let mut hit = false;
        for outline in &self.outlines {
            if let Some(distance) = outline.ray(origin, [cos, sin])
                && distance <= nearest
            {
                nearest = distance;
                hit = true;
            }
        }
        hit.then_some(nearest)
    }

    /// Whether the straight line between two points is free.
    pub fn line_of_sight(&self, from: [f64; 2], to: [f64; 2]) -> bool {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        self.ray(from, dy.atan2(dx), dx.hypot(dy)).is_none()
    }

    /// Distance from a point to the nearest outline, 0 inside one; infinite without outlines.
    pub fn point_distance(&self, point: [f64; 2]) -> f64 {
        self.outlines
            .iter()
            .map(|o| o.point_distance(point))
            .fold(f64::INFINITY, f64::min)
    }

    /// Distance from the robot's outline at `pose` (of `base_footprint`) to the nearest obstacle, 0 where they touch.
    pub fn clearance(&self, pose: Pose2) -> f64 {
        let [x, y] = pose.transform(robot::BODY_CENTER_X, 0.0);
        let body = Pose2::new(x, y, pose.theta);
        let half = [robot::BODY_HALF_LENGTH, robot::BODY_HALF_WIDTH];
        let reach = half[0].hypot(half[1]);
        let mut nearest = f64::INFINITY;
        for outline in &self.outlines {
            // Cheap bound first: most outlines are far away.
            if outline.point_distance([x, y]) - reach < nearest {
                nearest = nearest.min(outline.rectangle_distance(body, half));
            }
        }
        nearest
    }
}

impl Outline {
    /// Distance along the unit `direction` to where the ray enters.
    pub fn ray(&self, origin: [f64; 2], direction: [f64; 2]) -> Option<f64> {
        match *self {
            Self::Circle { center, radius } => {
                let (x, y) = (origin[0] - center[0], origin[1] - center[1]);
                let along = x * direction[0] + y * direction[1];
                let discriminant = along * along - (x * x + y * y - radius * radius);
                if discriminant < 0.0 {
                    return None;
                }
                let distance = -along - discriminant.sqrt();
                (distance >= 0.0).then_some(distance)
            }
            Self::Rectangle { pose, half } => {
                let (sin, cos) = pose.theta.sin_cos();
                let (dx, dy) = (origin[0] - pose.x, origin[1] - pose.y);
                let local = [cos * dx + sin * dy, cos * dy - sin * dx];
                let toward = [
                    cos * direction[0] + sin * direction[1],
                    cos * direction[1] - sin * direction[0],
                ];
                let (mut enter, mut leave) = (f64::NEG_INFINITY, f64::INFINITY);
                for axis in 0..2 {
                    if toward[axis] == 0.0 {
                        if local[axis].abs() > half[axis] {
                            return None;
                        }
                        continue;
                    }
                    let a = (-half[axis] - local[axis]) / toward[axis];
                    let b = (half[axis] - local[axis]) / toward[axis];
                    enter = enter.max(a.min(b));
                    leave = leave.min(a.max(b));
                }
                (enter <= leave && enter >= 0.0).then_some(enter)
            }
        }
    }

    /// Distance from a point, 0 inside.
    pub fn point_distance(&self, point: [f64; 2]) -> f64 {
        match *self {
            Self::Circle { center, radius } => {
                ((point[0] - center[0]).hypot(point[1] - center[1]) - radius).max(0.0)
            }
            Self::Rectangle { pose, half } => {
                let (sin, cos) = pose.theta.sin_cos();
                let (dx, dy) = (point[0] - pose.x, point[1] - pose.y);
                let x = ((cos * dx + sin * dy).abs() - half[0]).max(0.0);
                let y = ((cos * dy - sin * dx).abs() - half[1]).max(0.0);
                x.hypot(y)
            }
        }
    }

    /// Distance from a rectangle, 0 where they touch.
    pub fn rectangle_distance(&self, pose: Pose2, half: [f64; 2]) -> f64 {
        let rectangle = Self::Rectangle { pose, half };
        match *self {
            Self::Circle { center, radius } => (rectangle.point_distance(center) - radius).max(0.0),
            Self::Rectangle {
                pose: other,
                half: other_half,
            } => {
                let (ours, theirs) = (corners(pose, half), corners(other, other_half));
                if !separated(&ours, &theirs, pose.theta) && !separated(&ours, &theirs, other.theta)
                {
                    return 0.0;
                }
                // Apart: the shortest way starts or ends at a corner.
                let to_other = ours.iter().map(|&c| self.point_distance(c));
                let to_ours = theirs.iter().map(|&c| rectangle.point_distance(c));
                to_other.chain(to_ours).fold(f64::INFINITY, f64::min)
            }
        }
    }

    /// The least and greatest x and y.
    pub fn bounds(&self) -> [[f64; 2]; 2] {
        match *self {
            Self::Circle { center, radius } => [
                [center[0] - radius, center[1] - radius],
                [center[0] + radius, center[1] + radius],
            ],
            Self::Rectangle { pose, half } => {
                let points = corners(pose, half);
                let low = points
                    .iter()
                    .fold([f64::INFINITY; 2], |l, p| [l[0].min(p[0]), l[1].min(p[1])]);
                let high = points.iter().fold([f64::NEG_INFINITY; 2], |h, p| {
                    [h[0].max(p[0]), h[1].max(p[1])]
                });
                [low, high]
            }
        }
    }
}

/// A collision's outline between two heights with its bottom and top, m; `None` for the ground.
pub fn seen_from_above(
    model: &Model,
    collision: &Collision,
    low: f64,
    high: f64,
) -> Option<(Outline, f64, f64)> {
    let place = model.pose.isometry() * collision.pose.isometry();
    let [x, y, z] = place.translation.vector.into();
    let (outline, half_height) = match collision.solid {
        Solid::Box([length, width, height]) => {
            let pose = Pose2::new(x, y, place.rotation.euler_angles().2);
            (
                Outline::Rectangle {
                    pose,
                    half: [length / 2.0, width / 2.0],
                },
                height / 2.0,
            )
        }
        Solid::Cylinder { radius, length } => (
            Outline::Circle {
                center: [x, y],
                radius,
            },
            length / 2.0,
        ),
        Solid::Sphere(radius) => {
            let off = z.clamp(low, high) - z;
            let cut = (radius * radius - off * off).max(0.0).sqrt();
            (
                Outline::Circle {
                    center: [x, y],
                    radius: cut,
                },
                radius,
            )
        }
        Solid::Plane => return None,
    };
    Some((outline, z - half_height, z + half_height))
}

fn corners(pose: Pose2, half: [f64; 2]) -> [[f64; 2]; 4] {
    [[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]]
        .map(|[x, y]| pose.transform(x * half[0], y * half[1]))
}

/// Whether one of the two axes at `theta` has the two outlines apart.
fn separated(a: &[[f64; 2]; 4], b: &[[f64; 2]; 4], theta: f64) -> bool {
    let (sin, cos) = theta.sin_cos();
    [[cos, sin], [-sin, cos]].iter().any(|axis| {
        let span = |points: &[[f64; 2]; 4]| {
            points
                .iter()
                .map(|p| p[0] * axis[0] + p[1] * axis[1])
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
                    (low.min(v), high.max(v))
                })
        };
        let ((a_low, a_high), (b_low, b_high)) = (span(a), span(b));
        a_high < b_low || b_high < a_low
    })
}
