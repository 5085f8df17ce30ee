//! Reading a world: the documented subset, and a clear error for anything else.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roxmltree::{Document, Node};

use super::{SdfError, obj};
use crate::obstacles::Obstacles;
use crate::pose::{Pose, Pose2};
use crate::robot;
use crate::texture::Texture;
use crate::world::{Collision, Light, Material, Model, Shape, Solid, Visual, World};

/// The longest side of a world, m: its map has 0.05 m cells.
const LARGEST: f64 = 300.0;

/// What may stand in each element and is read.
const READ: &[(&str, &[&str])] = &[
    ("sdf", &["world"]),
    ("world", &["scene", "light", "frame", "model"]),
    ("scene", &["ambient", "background"]),
    ("light", &["direction", "diffuse"]),
    ("frame", &["pose"]),
    ("model", &["pose", "static", "link"]),
    ("link", &["pose", "visual", "collision"]),
    ("visual", &["pose", "geometry", "material"]),
    ("collision", &["pose", "geometry"]),
    ("geometry", &["box", "cylinder", "sphere", "plane", "mesh"]),
    ("box", &["size"]),
    ("cylinder", &["radius", "length"]),
    ("sphere", &["radius"]),
    ("plane", &["normal", "size"]),
    ("mesh", &["uri"]),
    ("material", &["ambient", "diffuse", "pbr"]),
    ("pbr", &["metal"]),
    ("metal", &["albedo_map"]),
];

/// What may stand in each element and means nothing here.
const IGNORED: &[(&str, &[&str])] = &[
    (
        "world",
        &[
            "physics",
            "plugin",
            "gravity",
            "magnetic_field",
            "atmosphere",
            "gui",
            "spherical_coordinates",
            "wind",
        ],
    ),
    ("scene", &["grid", "shadows", "sky"]),
    (
        "light",
        &[
            "pose",
            "cast_shadows",
            "specular",
            "attenuation",
            "intensity",
        ],
    ),
    ("model", &["plugin", "self_collide", "allow_auto_disable"]),
    ("link", &["inertial", "gravity", "self_collide"]),
    (
        "visual",
        &["cast_shadows", "laser_retro", "visibility_flags"],
    ),
    ("collision", &["surface", "laser_retro", "max_contacts"]),
    ("material", &["specular", "emissive", "double_sided"]),
    ("metal", &["metalness", "roughness"]),
];

impl World {
    /// Reads a world. It must have something solid at the lidar's height that is no object: a wall.
    pub fn read_sdf(path: &Path) -> Result<Self, SdfError> {
        let text = fs::read_to_string(path).map_err(|cause| SdfError::Io {
            path: path.to_owned(),
            cause,
        })?;
        let document = Document::parse(&text).map_err(|error| SdfError::Content {
            path: path.to_owned(),
            line: error.pos().row,
            problem: format!("this is no XML: {error}"),
            remedy: "correct the markup".to_owned(),
        })?;
        let mut reader = Reader {
            path,
            document: &document,
            textures: HashMap::new(),
        };
        reader.world()
    }
}

struct Reader<'a> {
    path: &'a Path,
    document: &'a Document<'a>,
    textures: HashMap<PathBuf, Arc<Texture>>,
}

impl<'a> Reader<'a> {
    fn world(&mut self) -> Result<World, SdfError> {
        let root = self.document.root_element();
        if root.tag_name().name() != "sdf" {
            return Err(self.wrong(
                root,
                "the file's outermost element is not <sdf>",
                "give an SDF world file",
            ));
        }
        self.check(root)?;
        let node = self.only(root, "world")?;
        self.check(node)?;
        let mut world = World {
            name: self.name(node)?,
            robot_start: Pose2::default(),
            light: Light::default(),
            models: Vec::new(),
        };
        self.light(node, &mut world.light)?;
        for frame in children(node, "frame") {
            self.check(frame)?;
            if self.name(frame)? == "robot_start" {
                let Pose {
                    xyz: [x, y, _],
                    rpy: [_, _, theta],
                } = self.pose(frame)?;
                world.robot_start = Pose2::new(x, y, theta);
            }
        }
        for model in children(node, "model") {
            let read = self.model(model)?;
            if world.models.iter().any(|m| m.name == read.name) {
                let problem = format!("a second model is named `{}`", read.name);
                return Err(self.wrong(model, problem, "give it another name"));
            }
            world.models.push(read);
        }
        self.check_extent(node, &world)?;
        let height = robot::BASE_LINK.xyz[2] + robot::BASE_SCAN.xyz[2];
        let walls = World {
            models: world
                .models
                .iter()
                .filter(|m| m.class().is_none())
                .cloned()
                .collect(),
            ..world.clone()
        };
        if Obstacles::in_band(&walls, height, height)
            .outlines()
            .is_empty()
        {
            let problem = format!(
                "the world has no walls: no <collision> of a model that is no object reaches {height} m above the ground"
            );
            let remedy = "add a model with a box that has a <collision>";
            return Err(self.wrong(node, problem, remedy));
        }
        Ok(world)
    }

    /// Fails for a world whose map would take gigabytes.
    fn check_extent(&self, node: Node, world: &World) -> Result<(), SdfError> {
        let start = [world.robot_start.x, world.robot_start.y];
        let (mut low, mut high) = (start, start);
        let [bottom, top] = robot::BODY_BAND;
        for outline in Obstacles::in_band(world, bottom, top).outlines() {
            let [a, b] = outline.bounds();
            for axis in 0..2 {
                low[axis] = low[axis].min(a[axis]);
                high[axis] = high[axis].max(b[axis]);
            }
        }
        let [width, height] = [0, 1].map(|axis| high[axis] - low[axis]);
        if width.max(height) <= LARGEST {
            return Ok(());
        }
        let problem = format!("the world is {width:.0} m by {height:.0} m");
        let remedy = format!(
            "move or shrink what is solid, and robot_start, to be within {LARGEST} m of each other"
        );
        Err(self.wrong(node, problem, remedy))
    }

    fn light(&self, world: Node, light: &mut Light) -> Result<(), SdfError> {
        if let Some(scene) = children(world, "scene").next() {
            self.check(scene)?;
            self.color(scene, "ambient", &mut light.ambient)?;
            self.color(scene, "background", &mut light.background)?;
        }
        let mut lights = children(world, "light");
        if let Some(node) = lights.next() {
            self.check(node)?;
            if node.attribute("type") != Some("directional") {
                return Err(self.wrong(
                    node,
                    "this light is not directional",
                    "make it type=\"directional\" or remove it",
                ));
            }
            self.color(node, "diffuse", &mut light.diffuse)?;
            if let Some(direction) = children(node, "direction").next() {
                light.direction = self.numbers(direction)?;
            }
        }
        match lights.next() {
            Some(second) => Err(self.wrong(
                second,
                "this is a second light",
                "keep one directional light",
            )),
            None => Ok(()),
        }
    }

    fn model(&mut self, node: Node) -> Result<Model, SdfError> {
        self.check(node)?;
        let mut model = Model {
            name: self.name(node)?,
            pose: self.pose(node)?,
            visuals: Vec::new(),
            collisions: Vec::new(),
        };
        for link in children(node, "link") {
            self.check(link)?;
            let link_pose = self.pose(link)?;
            for visual in children(link, "visual") {
                self.check(visual)?;
                let geometry = self.only(visual, "geometry")?;
                let read = Visual {
                    name: self.name(visual)?,
                    pose: within(link_pose, self.pose(visual)?),
                    shape: self.shape(geometry)?,
                    material: self.material(visual)?,
                };
                model.visuals.push(read);
            }
            for collision in children(link, "collision") {
                self.check(collision)?;
                let geometry = self.only(collision, "geometry")?;
                let pose = within(link_pose, self.pose(collision)?);
                let solid = self.solid(geometry)?;
                let leans = !(pose.is_upright() && model.pose.is_upright());
                if leans && matches!(solid, Solid::Box(_) | Solid::Cylinder { .. }) {
                    let remedy = "leave out roll and pitch here, in the link and in the model (a <visual> may lean)";
                    return Err(self.wrong(
                        collision,
                        "this <collision> does not stand upright",
                        remedy,
                    ));
                }
                model.collisions.push(Collision {
                    name: self.name(collision)?,
                    pose,
                    solid,
                });
            }
        }
        Ok(model)
    }

    fn shape(&mut self, geometry: Node) -> Result<Shape, SdfError> {
        self.check(geometry)?;
        let Some(form) = geometry.children().find(Node::is_element) else {
            return Err(self.wrong(
                geometry,
                "<geometry> is empty",
                "put a <box>, <cylinder>, <sphere>, <plane> or <mesh> in",
            ));
        };
        self.check(form)?;
        Ok(match form.tag_name().name() {
            "mesh" => Shape::Mesh(Arc::new(self.mesh(form)?)),
            "plane" => {
                if let Some(normal) = children(form, "normal").next()
                    && self.numbers::<3>(normal)? != [0.0, 0.0, 1.0]
                {
                    return Err(self.wrong(
                        normal,
                        "this plane does not face up",
                        "write 0 0 1 and turn it by its <pose>",
                    ));
                }
                Shape::Plane(self.sizes(form, "size")?)
            }
            "box" => Shape::Box(self.sizes(form, "size")?),
            "cylinder" => {
                let [radius] = self.sizes(form, "radius")?;
                let [length] = self.sizes(form, "length")?;
                Shape::Cylinder { radius, length }
            }
            _ => {
                let [radius] = self.sizes(form, "radius")?;
                Shape::Sphere(radius)
            }
        })
    }

    fn solid(&mut self, geometry: Node) -> Result<Solid, SdfError> {
        Ok(match self.shape(geometry)? {
            Shape::Box(size) => Solid::Box(size),
            Shape::Cylinder { radius, length } => Solid::Cylinder { radius, length },
            Shape::Sphere(radius) => Solid::Sphere(radius),
            Shape::Plane(_) => Solid::Plane,
            Shape::Mesh(_) => {
                let remedy = "use a <box>, <cylinder> or <sphere> for the <collision>, and the mesh for the <visual> alone";
                return Err(self.wrong(geometry, "a <collision> cannot be a mesh here", remedy));
            }
        })
    }

    fn mesh(&self, form: Node) -> Result<crate::mesh::Mesh, SdfError> {
        let uri = self.only(form, "uri")?;
        let (name, path) = self.file(uri)?;
        if path
            .extension()
            .is_none_or(|e| !e.eq_ignore_ascii_case("obj"))
        {
            return Err(self.wrong(
                uri,
                format!("`{name}` is no OBJ file"),
                "convert the mesh to Wavefront OBJ",
            ));
        }
        let text = fs::read_to_string(&path).map_err(|e| {
            self.wrong(
                uri,
                format!("cannot read the mesh {}: {e}", path.display()),
                "check that the file is there",
            )
        })?;
        obj::from_text(&name, &text).map_err(|(line, problem)| SdfError::Content {
            path: path.clone(),
            line,
            problem,
            remedy: "export the mesh as v, vt, vn and f lines".to_owned(),
        })
    }

    fn material(&mut self, visual: Node) -> Result<Material, SdfError> {
        let mut material = Material::color([0.7; 3]);
        let Some(node) = children(visual, "material").next() else {
            return Ok(material);
        };
        self.check(node)?;
        let map = match children(node, "pbr").next() {
            Some(pbr) => {
                self.check(pbr)?;
                let metal = self.only(pbr, "metal")?;
                self.check(metal)?;
                children(metal, "albedo_map").next()
            }
            None => None,
        };
        if let Some(map) = map {
            material = Material::textured(self.texture(map)?);
        }
        self.color(node, "ambient", &mut material.diffuse)?;
        self.color(node, "diffuse", &mut material.diffuse)?;
        Ok(material)
    }

    fn texture(&mut self, map: Node) -> Result<Arc<Texture>, SdfError> {
        let (name, path) = self.file(map)?;
        if let Some(texture) = self.textures.get(&path) {
            return Ok(texture.clone());
        }
        let picture = image::open(&path).map_err(|e| {
            let remedy = "give a PNG or JPEG file, with its path relative to the world file";
            self.wrong(
                map,
                format!("cannot read the picture {}: {e}", path.display()),
                remedy,
            )
        })?;
        let picture = picture.to_rgb8();
        let pixels: Vec<[u8; 3]> = picture.pixels().map(|p| p.0).collect();
        let texture = Arc::new(Texture::new(
            name,
            picture.width() as usize,
            picture.height() as usize,
            &pixels,
        ));
        self.textures.insert(path, texture.clone());
        Ok(texture)
    }

    /// A file that an element names: as written, and as a path.
    fn file(&self, node: Node) -> Result<(String, PathBuf), SdfError> {
        let name = node.text().unwrap_or_default().trim();
        if name.is_empty() || (name.contains("://") && !name.starts_with("file://")) {
            let remedy = "write a path relative to the world file";
            return Err(self.wrong(node, format!("`{name}` names no file here"), remedy));
        }
        let name = name.strip_prefix("file://").unwrap_or(name);
        let folder = self.path.parent().unwrap_or(Path::new("."));
        Ok((name.to_owned(), folder.join(name)))
    }

    /// Fails for a child that is neither read nor known to mean nothing here, and for one too many.
    fn check(&self, node: Node) -> Result<(), SdfError> {
        let parent = node.tag_name().name();
        let listed = |table: &[(&str, &'static [&'static str])]| {
            table
                .iter()
                .find(|(name, _)| *name == parent)
                .map_or(&[] as &[&str], |(_, children)| children)
        };
        let (read, ignored) = (listed(READ), listed(IGNORED));
        let many = [
            "model",
            "link",
            "visual",
            "collision",
            "light",
            "frame",
            "plugin",
            "physics",
        ];
        for child in node.children().filter(Node::is_element) {
            let name = child.tag_name().name();
            if !read.contains(&name) && !ignored.contains(&name) {
                let problem =
                    format!("<{name}> in <{parent}> is outside the supported part of SDF");
                let known = if read.is_empty() {
                    "nothing".to_owned()
                } else {
                    format!("<{}>", read.join(">, <"))
                };
                let remedy = format!(
                    "remove it, or use what is supported there: {known} (all of it is in sim/README.md)"
                );
                return Err(self.wrong(child, problem, remedy));
            }
            if !many.contains(&name) && children(node, name).next() != Some(child) {
                let problem = format!("a second <{name}> in the same <{parent}>");
                return Err(self.wrong(child, problem, "keep one"));
            }
        }
        Ok(())
    }

    fn name(&self, node: Node) -> Result<String, SdfError> {
        match node.attribute("name") {
            Some(name) if !name.is_empty() => Ok(name.to_owned()),
            _ => {
                let tag = node.tag_name().name();
                Err(self.wrong(node, format!("this <{tag}> has no name"), "add name=\"…\""))
            }
        }
    }

    fn only<'b, 'c>(
        &self,
        node: Node<'b, 'c>,
        name: &'static str,
    ) -> Result<Node<'b, 'c>, SdfError> {
        let tag = node.tag_name().name();
        let mut found = children(node, name);
        match (found.next(), found.next()) {
            (Some(child), None) => Ok(child),
            (None, _) => Err(self.wrong(node, format!("<{tag}> has no <{name}>"), "add it")),
            (_, Some(second)) => {
                Err(self.wrong(second, format!("<{tag}> has a second <{name}>"), "keep one"))
            }
        }
    }

    fn pose(&self, node: Node) -> Result<Pose, SdfError> {
        let Some(pose) = children(node, "pose").next() else {
            return Ok(Pose::default());
        };
        if let Some(attribute) = pose.attributes().find(|a| !a.value().is_empty()) {
            let problem = format!("<pose> with `{}` is not supported", attribute.name());
            return Err(self.wrong(
                pose,
                problem,
                "write x y z roll pitch yaw in m and radians, without attributes",
            ));
        }
        let [x, y, z, roll, pitch, yaw] = self.numbers(pose)?;
        Ok(Pose {
            xyz: [x, y, z],
            rpy: [roll, pitch, yaw],
        })
    }

    /// Numbers that must be positive.
    fn sizes<const N: usize>(&self, form: Node, name: &'static str) -> Result<[f64; N], SdfError> {
        let node = self.only(form, name)?;
        let sizes: [f64; N] = self.numbers(node)?;
        match sizes.iter().find(|s| **s <= 0.0) {
            Some(size) => {
                Err(self.wrong(node, format!("<{name}> is {size}"), "give more than 0 m"))
            }
            None => Ok(sizes),
        }
    }

    /// Takes red, green, blue (and an alpha that means nothing) where they are given.
    fn color(&self, node: Node, name: &'static str, color: &mut [f32; 3]) -> Result<(), SdfError> {
        let Some(child) = children(node, name).next() else {
            return Ok(());
        };
        let three = child.text().unwrap_or_default().split_whitespace().count() == 3;
        let [r, g, b] = if three {
            self.numbers::<3>(child)?
        } else {
            let [r, g, b, _] = self.numbers::<4>(child)?;
            [r, g, b]
        };
        if [r, g, b].iter().any(|c| !(0.0..=1.0).contains(c)) {
            return Err(self.wrong(
                child,
                format!("<{name}> is not a colour"),
                "give red, green, blue, alpha in 0 to 1",
            ));
        }
        *color = [r, g, b].map(|c| c as f32);
        Ok(())
    }

    fn numbers<const N: usize>(&self, node: Node) -> Result<[f64; N], SdfError> {
        let text = node.text().unwrap_or_default();
        let tag = node.tag_name().name();
        let mut values = [0.0; N];
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() != N {
            let problem = format!("<{tag}> has {} numbers, not {N}", words.len());
            return Err(self.wrong(
                node,
                problem,
                format!("give {N} numbers with spaces between"),
            ));
        }
        for (value, word) in values.iter_mut().zip(words) {
            *value = match word.parse::<f64>() {
                Ok(number) if number.is_finite() => number,
                _ => {
                    return Err(self.wrong(
                        node,
                        format!("`{word}` in <{tag}> is not a number"),
                        "write a number",
                    ));
                }
            };
        }
        Ok(values)
    }

    fn wrong(&self, node: Node, problem: impl Into<String>, remedy: impl Into<String>) -> SdfError {
        SdfError::Content {
            path: self.path.to_owned(),
            line: self.document.text_pos_at(node.range().start).row,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

fn children<'a, 'b>(node: Node<'a, 'b>, name: &str) -> impl Iterator<Item = Node<'a, 'b>> {
    node.children()
        .filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// A pose inside another, exactly as written where the outer one is zero.
fn within(outer: Pose, inner: Pose) -> Pose {
    if outer == Pose::default() {
        return inner;
    }
    let place = outer.isometry() * inner.isometry();
    let (roll, pitch, yaw) = place.rotation.euler_angles();
    Pose {
        xyz: place.translation.vector.into(),
        rpy: [roll, pitch, yaw],
    }
}
