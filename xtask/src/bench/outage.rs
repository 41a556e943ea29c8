//! One script of faults for the bridge and for what people used before it: rows lost and doubled, units, requests.

use std::process::Command;

use super::table::{Table, Target};
use super::{Context, Outcome, crash, peers};

const BENCH: &str = "outage";

pub(super) fn measure(context: &Context, table: &mut Table) -> Outcome<()> {
    let mut command = Command::new(context.binary("crash"));
    command.current_dir(&context.root).arg("outage");
    if context.peers {
        match peers::python(context) {
            Ok(python) => {
                command.arg("--python").arg(python);
            }
            Err(error) => table.failed("the outage's peers", &*error),
        }
    }
    let told = crash::told(&mut command)?;
    let runners = told["runners"].as_array().ok_or("it told no figures")?;
    for runner in runners {
        let name = runner["name"].as_str().unwrap_or_default();
        let count = |of: &str| runner[of].as_f64().unwrap_or(f64::NAN);
        let is_ours = name.starts_with("bridge");
        let lost = table.add(BENCH, format!("{name}: rows lost"), count("lost"), "");
        if is_ours {
            lost.target(Target::AtMost(0.0));
        }
        lost.note(format!(
            "of {}; {} of the others in {} dead letters",
            runner["rows"], runner["rows_in_dead_letters"], runner["dead_letters"]
        ));
        let doubled = table.add(BENCH, "… doubled", count("doubled"), "");
        if is_ours {
            doubled.target(Target::AtMost(0.0));
        }
        doubled.note(format!(
            "and {} messages again under the same id",
            runner["repeats"]
        ));
        table
            .add(BENCH, "… billing units", count("units"), "")
            .note(format!(
                "{} messages; {} requests to the hub, {} to the source",
                runner["messages"], runner["hub_requests"], runner["source_requests"]
            ));
    }
    if runners
        .iter()
        .filter(|runner| {
            runner["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("bridge"))
        })
        .count()
        < 2
    {
        return Err("the bridge was not measured; see the lines above".into());
    }
    Ok(())
}
