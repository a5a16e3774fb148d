//! The schema of `gateway.toml`, joined from those of its parts.

use schemars::SchemaGenerator;
use schemars::transform::{RecursiveTransform, Transform as _};
use serde_json::{Value, json};
use toolpost::Settings;
use toolpost::process::Programs;

use super::tables::Tables;

/// The JSON Schema of the file, for editors and for checks before deployment.
pub(crate) fn schema() -> Value {
    let mut own = SchemaGenerator::default().into_root_schema_for::<Tables>();
    let mut without_format = RecursiveTransform(|schema: &mut schemars::Schema| {
        schema.remove("format");
    });
    without_format.transform(&mut own);
    let mut whole = own.to_value();
    whole["title"] = json!("gateway.toml");
    whole["description"] = json!("What the toolpost gateway serves, how, and behind which policies.");
    for part in [Settings::schema(), Programs::schema()] {
        for group in ["properties", "$defs"] {
            let Some(members) = part[group].as_object() else { continue };
            for (name, member) in members {
                whole[group][name] = member.clone();
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `docs/gateway.schema.json` is what editors are given.
    #[test]
    fn the_published_schema_is_that_of_the_reader() {
        let published: Value = serde_json::from_str(include_str!("../../gateway.schema.json")).unwrap();
        assert!(published == schema(), "write `gateway schema` to examples/gateway/gateway.schema.json");
    }

    #[test]
    fn no_part_takes_a_name_of_another() {
        let names = |part: &Value, group: &str| -> Vec<String> {
            part[group].as_object().map(|members| members.keys().cloned().collect()).unwrap_or_default()
        };
        let own = SchemaGenerator::default().into_root_schema_for::<Tables>().to_value();
        let parts = [own, Settings::schema(), Programs::schema()];
        for group in ["properties", "$defs"] {
            let mut all: Vec<String> = parts.iter().flat_map(|part| names(part, group)).collect();
            let count = all.len();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), count, "{all:?}");
        }
    }
}
