//! Writing a world: the SDF file, with its pictures and meshes beside it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use image::{ExtendedColorType, ImageFormat};
use quick_xml::escape::escape;

use super::{SdfError, obj};
use crate::pose::Pose;
use crate::texture::Texture;
use crate::world::{Collision, Light, Material, Model, Shape, Solid, Visual, World};

/// What Gazebo needs to simulate, show and sense a world.
const PLUGINS: [[&str; 3]; 5] = [
    ["gz-sim-physics-system", "gz::sim::systems::Physics", ""],
    [
        "gz-sim-user-commands-system",
        "gz::sim::systems::UserCommands",
        "",
    ],
    [
        "gz-sim-scene-broadcaster-system",
        "gz::sim::systems::SceneBroadcaster",
        "",
    ],
    [
        "gz-sim-sensors-system",
        "gz::sim::systems::Sensors",
        "<render_engine>ogre2</render_engine>",
    ],
    ["gz-sim-imu-system", "gz::sim::systems::Imu", ""],
];

impl World {
    /// Writes the world to `path`, with its textures and meshes in folders beside it.
    pub fn write_sdf(&self, path: &Path) -> Result<(), SdfError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let io = |path: &Path| {
            let path = path.to_owned();
            move |cause| SdfError::Io { path, cause }
        };
        let mut written = BTreeSet::new();
        for visual in self.models.iter().flat_map(|m| &m.visuals) {
            if let Some(texture) = &visual.material.texture
                && written.insert(texture.name.clone())
            {
                write_picture(&folder.join(&texture.name), texture)?;
            }
            if let Shape::Mesh(mesh) = &visual.shape
                && written.insert(mesh.name.clone())
            {
                let file = folder.join(&mesh.name);
                create_parent(&file)?;
                fs::write(&file, obj::to_text(mesh)).map_err(io(&file))?;
            }
        }
        create_parent(path)?;
        fs::write(path, self.to_sdf()).map_err(io(path))
    }

    /// The text of the SDF file.
    pub fn to_sdf(&self) -> String {
        let mut out = Lines::default();
        out.line("<?xml version=\"1.0\"?>");
        out.open("<sdf version=\"1.9\">");
        out.open(&format!("<world name=\"{}\">", escape(&self.name)));
        out.open("<physics name=\"10ms\" type=\"ignored\">");
        out.line("<max_step_size>0.01</max_step_size>");
        out.line("<real_time_factor>1</real_time_factor>");
        out.close("</physics>");
        for [file, name, inside] in PLUGINS {
            out.line(&format!(
                "<plugin filename=\"{file}\" name=\"{name}\">{inside}</plugin>"
            ));
        }
        write_light(&mut out, &self.light);
        let start = self.robot_start;
        out.line(&format!(
            "<frame name=\"robot_start\"><pose>{} {} 0 0 0 {}</pose></frame>",
            start.x, start.y, start.theta
        ));
        for model in &self.models {
            write_model(&mut out, model);
        }
        out.close("</world>");
        out.close("</sdf>");
        out.text
    }
}

fn create_parent(path: &Path) -> Result<(), SdfError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|cause| SdfError::Io {
        path: folder.to_owned(),
        cause,
    })
}

fn write_picture(path: &Path, texture: &Texture) -> Result<(), SdfError> {
    create_parent(path)?;
    let (width, height) = (texture.width() as u32, texture.height() as u32);
    let pixels = texture.rgb();
    // Always lossless, so that the world that is read back is the same.
    image::save_buffer_with_format(
        path,
        pixels.as_flattened(),
        width,
        height,
        ExtendedColorType::Rgb8,
        ImageFormat::Png,
    )
    .map_err(|cause| SdfError::Picture {
        path: path.to_owned(),
        cause,
    })
}

fn write_light(out: &mut Lines, light: &Light) {
    out.open("<scene>");
    out.line(&format!("<ambient>{} 1</ambient>", spaced(&light.ambient)));
    out.line(&format!(
        "<background>{} 1</background>",
        spaced(&light.background)
    ));
    out.close("</scene>");
    out.open("<light name=\"sun\" type=\"directional\">");
    out.line("<cast_shadows>true</cast_shadows>");
    out.line("<pose>0 0 10 0 0 0</pose>");
    out.line(&format!("<diffuse>{} 1</diffuse>", spaced(&light.diffuse)));
    out.line(&format!(
        "<direction>{}</direction>",
        spaced(&light.direction)
    ));
    out.close("</light>");
}

fn write_model(out: &mut Lines, model: &Model) {
    out.open(&format!("<model name=\"{}\">", escape(&model.name)));
    out.line("<static>true</static>");
    out.line(&pose(&model.pose));
    out.open("<link name=\"link\">");
    for visual in &model.visuals {
        write_visual(out, visual);
    }
    for Collision {
        name,
        pose: place,
        solid,
    } in &model.collisions
    {
        out.open(&format!("<collision name=\"{}\">", escape(name)));
        out.line(&pose(place));
        let geometry = match solid {
            Solid::Box(size) => cuboid(size),
            Solid::Cylinder { radius, length } => cylinder(*radius, *length),
            Solid::Sphere(radius) => format!("<sphere><radius>{radius}</radius></sphere>"),
            Solid::Plane => plane(&[1.0, 1.0]),
        };
        out.line(&format!("<geometry>{geometry}</geometry>"));
        out.close("</collision>");
    }
    out.close("</link>");
    out.close("</model>");
}

fn write_visual(
    out: &mut Lines,
    Visual {
        name,
        pose: place,
        shape,
        material,
    }: &Visual,
) {
    out.open(&format!("<visual name=\"{}\">", escape(name)));
    out.line(&pose(place));
    let geometry = match shape {
        Shape::Box(size) => cuboid(size),
        Shape::Cylinder { radius, length } => cylinder(*radius, *length),
        Shape::Sphere(radius) => format!("<sphere><radius>{radius}</radius></sphere>"),
        Shape::Plane(size) => plane(size),
        Shape::Mesh(mesh) => format!("<mesh><uri>{}</uri></mesh>", escape(&mesh.name)),
    };
    out.line(&format!("<geometry>{geometry}</geometry>"));
    let Material { diffuse, texture } = material;
    let color = spaced(diffuse);
    out.open("<material>");
    out.line(&format!("<ambient>{color} 1</ambient>"));
    out.line(&format!("<diffuse>{color} 1</diffuse>"));
    if let Some(texture) = texture {
        let map = escape(&texture.name);
        out.line(&format!(
            "<pbr><metal><albedo_map>{map}</albedo_map><metalness>0</metalness><roughness>1</roughness></metal></pbr>"
        ));
    }
    out.close("</material>");
    out.close("</visual>");
}

fn cuboid(size: &[f64; 3]) -> String {
    format!("<box><size>{}</size></box>", spaced(size))
}

fn cylinder(radius: f64, length: f64) -> String {
    format!("<cylinder><radius>{radius}</radius><length>{length}</length></cylinder>")
}

fn plane(size: &[f64; 2]) -> String {
    format!(
        "<plane><normal>0 0 1</normal><size>{}</size></plane>",
        spaced(size)
    )
}

fn pose(pose: &Pose) -> String {
    format!("<pose>{} {}</pose>", spaced(&pose.xyz), spaced(&pose.rpy))
}

/// Numbers with spaces between, each in the fewest digits that read back the same.
fn spaced<T: std::fmt::Display>(numbers: &[T]) -> String {
    numbers
        .iter()
        .map(T::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Indented lines.
#[derive(Default)]
struct Lines {
    text: String,
    depth: usize,
}

impl Lines {
    fn line(&mut self, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{:width$}{line}", "", width = self.depth * 2);
    }

    fn open(&mut self, line: &str) {
        self.line(line);
        self.depth += 1;
    }

    fn close(&mut self, line: &str) {
        self.depth -= 1;
        self.line(line);
    }
}
