//! The command line; each flag is a ROS parameter of the same name, too.

use std::time::Duration;

use clap::Parser;

use crate::judge::Judge;
use crate::physical::Settings;
use crate::proxy::Config;
use crate::syntactic::Rules;

/// Stands before the navigation server: every goal is judged before it may move the robot.
#[derive(Parser, Debug)]
#[command(name = "gatekeeper", version)]
pub struct Args {
    /// Action of the navigation server behind the gate; nobody else may know it
    #[arg(long, default_value = "ungated/navigate_to_pose")]
    pub upstream: String,

    /// Frame of the map
    #[arg(long, default_value = "map")]
    pub map_frame: String,

    /// Frame of the robot's base
    #[arg(long, default_value = "base_link")]
    pub base_frame: String,

    /// Free space that a goal needs around it, m
    #[arg(long, default_value_t = 0.22, value_parser = positive)]
    pub robot_radius: f64,

    /// Oldest stamp of a goal that is taken for the present, s (a stamp of 0 always is)
    #[arg(long, default_value_t = 30.0, value_parser = positive)]
    pub max_goal_age: f64,

    /// How long a goal waits for the map, the transforms and a camera frame that it is judged by, s
    #[arg(long, default_value_t = 0.5, value_parser = positive)]
    pub transform_timeout: f64,

    /// Value of a goal's behavior_tree that is passed on; may be given several times [default: only the empty one]
    #[arg(
        long = "allowed-behavior-trees",
        id = "allowed_behavior_trees",
        value_name = "FILE"
    )]
    pub allowed_behavior_trees: Vec<String>,

    /// How long the navigation server may take to answer a request, s
    #[arg(long, default_value_t = 2.0, value_parser = positive)]
    pub upstream_timeout: f64,

    /// How long a cancelled goal may take to end, s
    #[arg(long, default_value_t = 5.0, value_parser = positive)]
    pub cancel_timeout: f64,

    /// Actions whose goals are cancelled when the navigation server dies with a goal running: what it has set in
    /// motion drives on without it
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "follow_path,spin,backup,drive_on_heading,assisted_teleop"
    )]
    pub motion_actions: Vec<String>,

    /// Ask a vision-language model, too: address of its OpenAI-compatible server, such as http://localhost:8000
    #[arg(long, requires = "vlm_model", value_name = "URL")]
    pub vlm_url: Option<String>,

    /// Name that the server knows the model by, such as nvidia/Cosmos-Reason2-2B
    #[arg(long, requires = "vlm_url", value_name = "NAME")]
    pub vlm_model: Option<String>,

    /// How long the model may take, s
    #[arg(long, default_value_t = 20.0, value_parser = positive)]
    pub vlm_timeout: f64,

    /// A "feasible" of the model with less confidence than this, 0 to 1, refuses the goal
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    pub vlm_min_confidence: f64,

    /// Camera that the model sees through (subscribed only with --vlm-url)
    #[arg(long, default_value = "camera/color/image_raw")]
    pub camera_topic: String,

    /// Oldest camera frame that the model is shown, s
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub max_frame_age: f64,
}

impl Args {
    /// What goals are measured by.
    pub fn judge(&self) -> Judge {
        Judge {
            rules: Rules {
                map_frame: self.map_frame.clone(),
                max_goal_age: self.max_goal_age,
                allowed_behavior_trees: self.allowed_behavior_trees.clone(),
            },
            base_frame: self.base_frame.clone(),
            robot_radius: self.robot_radius,
        }
    }

    /// The model to ask, if any.
    pub fn model(&self) -> Option<Settings> {
        Some(Settings {
            url: self.vlm_url.clone()?,
            model: self.vlm_model.clone()?,
            timeout: Duration::from_secs_f64(self.vlm_timeout),
            min_confidence: self.vlm_min_confidence,
        })
    }

    /// The proxy's time limits, for a navigation server of this full name.
    pub fn proxy(&self, upstream_name: &str) -> Config {
        Config {
            upstream_name: upstream_name.to_owned(),
            answer_timeout: Duration::from_secs_f64(self.upstream_timeout),
            cancel_timeout: Duration::from_secs_f64(self.cancel_timeout),
            silence: Duration::from_secs(1),
        }
    }
}

/// A number that is greater than 0 and at most a day or a kilometre.
fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 86_400.0 => Ok(value),
        _ => Err("a number greater than 0 is wanted".into()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("a number from 0 to 1 is wanted".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_numbers_are_refused_at_the_start() {
        for flags in [
            ["--robot-radius", "0"],
            ["--robot-radius", "NaN"],
            ["--vlm-timeout", "inf"],
            ["--vlm-min-confidence", "1.5"],
            ["--vlm-url", "http://localhost:8000"],
        ] {
            let args = std::iter::once("gatekeeper").chain(flags);
            assert!(Args::try_parse_from(args).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn without_flags_no_model_is_asked() {
        let args = Args::try_parse_from(["gatekeeper"]).unwrap();
        assert!(args.model().is_none());
    }
}
