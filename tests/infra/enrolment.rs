//! `infra/enrol.sh` with an `az` that writes down what it is asked and answers from a file of groups.

use std::path::Path;
use std::process::{Command, Output};

use crate::deployment::root;

const AZ: &str = r#"#!/bin/sh
echo "$*" >>"$LOG"
case "$*" in
"iot dps enrollment-group list "*)
  left=$(cat "$REFUSALS")
  [ "$left" = 0 ] || { echo $((left - 1)) >"$REFUSALS"; exit 1; }
  cat "$GROUPS_FILE" ;;
"iot dps enrollment-group create "*) echo meterbridge >>"$GROUPS_FILE" ;;
"iot dps enrollment-group show "*) printf 'c2VjcmV0\r\n' ;;
"keyvault secret set "*) while [ "$1" != --file ]; do shift; done; cp "$2" "$STORED" ;;
"functionapp show "*) echo /subscriptions/s/resourceGroups/r/providers/Microsoft.Web/sites/app ;;
esac
"#;

struct Az {
    folder: tempfile::TempDir,
}

impl Az {
    fn new(groups: &str, refusals: u32) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("az", AZ);
        write("groups", groups);
        write("refusals", &refusals.to_string());
        std::fs::set_permissions(folder.path().join("az"), std::fs::Permissions::from_mode(0o700)).unwrap();
        Self { folder }
    }

    fn enrol(&self, without: Option<&str>) -> Output {
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new("sh");
        command
            .arg(root().join("infra/enrol.sh"))
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.folder.path().display()))
            .env("METERBRIDGE_PAUSE", "0")
            .env("LOG", at("log"))
            .env("GROUPS_FILE", at("groups"))
            .env("REFUSALS", at("refusals"))
            .env("STORED", at("stored"));
        for name in [
            "METERBRIDGE_APP",
            "METERBRIDGE_VAULT",
            "METERBRIDGE_PROVISIONING",
            "AZURE_RESOURCE_GROUP",
        ] {
            if Some(name) != without {
                command.env(name, name.to_lowercase());
            }
        }
        command.output().unwrap()
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    fn asked(&self, begin: &str) -> usize {
        self.file("log")
            .lines()
            .filter(|line| line.starts_with(begin))
            .count()
    }
}

#[test]
fn the_group_is_made_once_and_its_key_goes_into_the_vault_unseen() {
    for (groups, made) in [
        ("", 1),
        ("other\n", 1),
        ("meterbridge\n", 0),
        ("meterbridge-2\n", 1),
    ] {
        let az = Az::new(groups, 2);
        let output = az.enrol(None);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(az.asked("iot dps enrollment-group create"), made, "{groups:?}");
        assert_eq!(az.asked("iot dps enrollment-group list"), 3, "roles count late");
        assert_eq!(az.file("stored"), "c2VjcmV0");
        assert_eq!(az.asked("rest --method post"), 1, "the app is told");
        let shown = [az.file("log").into_bytes(), output.stdout, output.stderr].concat();
        assert!(
            !String::from_utf8_lossy(&shown).contains("c2VjcmV0"),
            "the key shows"
        );
    }
}

#[test]
fn what_is_missing_is_named_and_nothing_is_asked() {
    for name in ["METERBRIDGE_APP", "AZURE_RESOURCE_GROUP"] {
        let az = Az::new("", 0);
        let output = az.enrol(Some(name));
        assert_eq!(output.status.code(), Some(64));
        assert!(
            String::from_utf8_lossy(&output.stderr).starts_with(name),
            "{output:?}"
        );
        assert!(!Path::new(&az.folder.path().join("log")).exists());
    }
}
