//! Pictures in software: a world compiled into triangles, drawn into a depth buffer, then shaded once per pixel.

mod floor_light;
mod raster;
mod scene;
mod shade;

use nalgebra::{Isometry3, Vector3};

use crate::robot;
use raster::Planes;
pub use scene::Scene;

/// A pinhole camera. Its frame is optical: z forward, x right, y down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// pixels
    pub width: usize,
    /// pixels
    pub height: usize,
    /// Focal length in pixels, both ways.
    pub focal: f64,
    /// The principal point in pixels, measured from the upper left corner of the picture.
    pub center: [f64; 2],
}

impl Camera {
    /// The robot's camera.
    pub const ROBOT: Self = Self {
        width: robot::CAMERA_WIDTH,
        height: robot::CAMERA_HEIGHT,
        focal: robot::CAMERA_FOCAL,
        center: robot::CAMERA_CENTER,
    };

    /// A camera with the same field of view across and another picture size.
    pub fn resized(self, width: usize, height: usize) -> Self {
        let scale = width as f64 / self.width as f64;
        Self {
            width,
            height,
            focal: self.focal * scale,
            center: [width as f64 / 2.0, height as f64 / 2.0],
        }
    }
}

/// A box around what is seen of a model, in pixels: the left upper corner is inside, the right lower one just outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelBox {
    /// Left, upper, right, lower.
    pub corners: [usize; 4],
    /// How many pixels show the model.
    pub pixels: usize,
}

/// Draws scenes; keeps its buffers from picture to picture.
pub struct Renderer {
    camera: Camera,
    /// 1 / depth for each pixel, 0 where nothing is.
    nearness: Vec<f32>,
    /// Which of `planes` is seen, or [`NOTHING`].
    seen: Vec<u32>,
    planes: Vec<Planes>,
    order: Vec<(f32, u32)>,
    in_camera: Vec<Vector3<f64>>,
}

/// No triangle is seen at a pixel.
const NOTHING: u32 = u32::MAX;

impl Renderer {
    /// A renderer for a camera.
    pub fn new(camera: Camera) -> Self {
        let pixels = camera.width * camera.height;
        Self {
            camera,
            nearness: vec![0.0; pixels],
            seen: vec![NOTHING; pixels],
            planes: Vec::new(),
            order: Vec::new(),
            in_camera: Vec::new(),
        }
    }

    /// The camera.
    pub fn camera(&self) -> Camera {
        self.camera
    }

    /// Draws a scene as seen from `eye`, the optical frame in the world frame. The picture is then read by the other functions.
    pub fn draw(&mut self, scene: &Scene, eye: &Isometry3<f64>) {
        self.draw_models(scene, eye, |_| true);
    }

    /// Draws only one model, as if nothing else were there.
    pub fn draw_alone(&mut self, scene: &Scene, eye: &Isometry3<f64>, model: usize) {
        self.draw_models(scene, eye, |other| other == model);
    }

    /// Writes the picture as rgb8, row by row from the top; `rgb` becomes `width * height * 3` long.
    pub fn colors(&self, scene: &Scene, rgb: &mut Vec<u8>) {
        rgb.resize(self.seen.len() * 3, 0);
        for (row, line) in rgb.chunks_exact_mut(self.camera.width * 3).enumerate() {
            self.shade_row(scene, row, line);
        }
    }

    /// Writes the depth along the optical axis in millimetres, 0 where nothing is; `depth` becomes `width * height` long.
    pub fn depth(&self, depth: &mut Vec<u16>) {
        depth.clear();
        depth.extend(self.nearness.iter().map(|&w| {
            if w > 0.0 {
                (1000.0 / w + 0.5) as u16
            } else {
                0
            }
        }));
    }

    /// What is seen of each of the scene's models, by its index in the world.
    pub fn visible(&self, scene: &Scene) -> Vec<Option<PixelBox>> {
        let mut boxes: Vec<Option<PixelBox>> = vec![None; scene.model_count()];
        for (row, line) in self.seen.chunks_exact(self.camera.width).enumerate() {
            let mut x = 0;
            while x < line.len() {
                let seen = line[x];
                let start = x;
                while x < line.len() && line[x] == seen {
                    x += 1;
                }
                if seen != NOTHING {
                    let found =
                        boxes[self.planes[seen as usize].model as usize].get_or_insert(PixelBox {
                            corners: [start, row, x, row + 1],
                            pixels: 0,
                        });
                    let [left, upper, right, _] = found.corners;
                    found.corners = [left.min(start), upper, right.max(x), row + 1];
                    found.pixels += x - start;
                }
            }
        }
        boxes
    }
}
