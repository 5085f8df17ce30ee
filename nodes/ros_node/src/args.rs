//! The command line of a node: its own flags, ROS arguments, and ROS parameters as flags of the same name.

use clap::{Arg, ArgAction, ArgMatches, Command};
use r2r::ParameterValue;

/// Parameters that rcl and the time source handle themselves.
const ROS_OWN: [&str; 3] = [
    "use_sim_time",
    "qos_overrides",
    "start_type_description_service",
];

/// The arguments outside `--ros-args … [--]`, the program's name included.
pub fn without_ros_args(args: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut own = Vec::new();
    let mut in_ros_args = false;
    for arg in args {
        match arg.as_str() {
            "--ros-args" => in_ros_args = true,
            "--" if in_ros_args => in_ros_args = false,
            _ if in_ros_args => {}
            _ => own.push(arg),
        }
    }
    own
}

/// The flags that every node has beside its own.
pub fn with_common_flags(command: Command) -> Command {
    command
        .arg(
            Arg::new("log_format")
                .long("log-format")
                .value_parser(["text", "json"])
                .default_value("text")
                .help("Format of the log on standard error"),
        )
        .args_override_self(true)
        .after_help(
            "Each flag is also a ROS parameter of the same name, with _ for -: --ros-args -p log_format:=json",
        )
}

/// Parses the node's flags; what ROS parameters say comes first, so that a flag overrides them.
pub fn parse(
    command: Command,
    own: &[String],
    parameters: &[(String, ParameterValue)],
) -> Result<ArgMatches, clap::Error> {
    let (program, flags) = own
        .split_first()
        .map_or((String::new(), &[][..]), |(p, f)| (p.clone(), f));
    let mut all = vec![program];
    for (name, value) in parameters {
        let known = command
            .get_arguments()
            .find(|a| a.get_id() == name.as_str());
        match known {
            Some(arg) => all.extend(as_flags(arg, value)),
            None if ROS_OWN.iter().any(|own| name.starts_with(own)) => {}
            None => tracing::debug!(parameter = %name, "not a parameter of this node, ignored"),
        }
    }
    all.extend_from_slice(flags);
    command.try_get_matches_from(all)
}

fn as_flags(arg: &Arg, value: &ParameterValue) -> Vec<String> {
    let Some(long) = arg.get_long() else {
        return Vec::new();
    };
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return match value {
            ParameterValue::Bool(true) => vec![format!("--{long}")],
            ParameterValue::Bool(false) | ParameterValue::NotSet => Vec::new(),
            other => vec![format!("--{long}={}", scalars(other).join(","))],
        };
    }
    scalars(value)
        .into_iter()
        .map(|text| format!("--{long}={text}"))
        .collect()
}

fn scalars(value: &ParameterValue) -> Vec<String> {
    fn texts<T: ToString>(values: &[T]) -> Vec<String> {
        values.iter().map(ToString::to_string).collect()
    }
    match value {
        ParameterValue::NotSet => Vec::new(),
        ParameterValue::Bool(v) => vec![v.to_string()],
        ParameterValue::Integer(v) => vec![v.to_string()],
        ParameterValue::Double(v) => vec![v.to_string()],
        ParameterValue::String(v) => vec![v.clone()],
        ParameterValue::BoolArray(v) => texts(v),
        ParameterValue::ByteArray(v) => texts(v),
        ParameterValue::IntegerArray(v) => texts(v),
        ParameterValue::DoubleArray(v) => texts(v),
        ParameterValue::StringArray(v) => v.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, FromArgMatches, Parser};

    #[derive(Parser, Debug, PartialEq)]
    struct Flags {
        #[arg(long, default_value_t = 0.25)]
        command_timeout: f64,
        #[arg(long, action = ArgAction::Set, default_value_t = true)]
        cmd_vel_stamped: bool,
        #[arg(long)]
        start_latched: bool,
    }

    fn parsed(own: &[&str], parameters: &[(&str, ParameterValue)]) -> Result<Flags, clap::Error> {
        let own: Vec<String> = own.iter().map(ToString::to_string).collect();
        let parameters: Vec<_> = parameters
            .iter()
            .map(|(n, v)| (n.to_string(), v.clone()))
            .collect();
        let matches = parse(with_common_flags(Flags::command()), &own, &parameters)?;
        Flags::from_arg_matches(&matches)
    }

    #[test]
    fn ros_arguments_are_not_the_nodes_own() {
        let args = ["gate", "--a", "--ros-args", "-p", "x:=1", "--", "--b"];
        let own = without_ros_args(args.map(String::from));
        assert_eq!(own, ["gate", "--a", "--b"]);
    }

    #[test]
    fn a_parameter_sets_the_flag_of_its_name_and_a_flag_overrides_it() {
        let parameters = [
            ("command_timeout", ParameterValue::Double(0.5)),
            ("cmd_vel_stamped", ParameterValue::Bool(false)),
            ("start_latched", ParameterValue::Bool(true)),
            ("use_sim_time", ParameterValue::Bool(true)),
            ("of_another_node", ParameterValue::Integer(3)),
        ];
        let flags = parsed(&["gate", "--command-timeout", "0.1"], &parameters).unwrap();
        assert_eq!(
            flags,
            Flags {
                command_timeout: 0.1,
                cmd_vel_stamped: false,
                start_latched: true
            }
        );
    }

    #[test]
    fn a_parameter_of_the_wrong_type_is_an_error_that_names_it() {
        let parameters = [("command_timeout", ParameterValue::String("soon".into()))];
        let error = parsed(&["gate"], &parameters).unwrap_err().to_string();
        assert!(
            error.contains("soon") && error.contains("--command-timeout"),
            "{error}"
        );
    }
}
