//! Stand-ins for Nav2 where it is not installed: navigation and localization
