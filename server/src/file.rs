//! The configuration file: flat TOML, whose unknown keys are refused.

use std::collections::BTreeMap;

use crate::config::{ConfigError, Key};

/// Keys and their values as text, so that all origins are understood by one rule.
pub(crate) type File = BTreeMap<String, Vec<String>>;

/// Reads the text of a configuration file.
pub(crate) fn read(text: &str) -> Result<File, ConfigError> {
    let table: toml::Table =
        toml::from_str(text).map_err(|error| ConfigError::NotToml(error.to_string()))?;
    let mut file = File::new();
    for (key, value) in table {
        if !Key::ALL.iter().any(|known| known.name() == key) {
            let known = Key::ALL.map(Key::name).join(", ");
            return Err(ConfigError::UnknownKey { key, known });
        }
        let values = texts(&value).ok_or_else(|| ConfigError::BadValue {
            origin: format!("{key} (file)"),
            value: value.to_string(),
            wanted: "a string, a whole number, true, false, or a list of those",
        })?;
        file.insert(key, values);
    }
    Ok(file)
}

/// One text for a plain value, one for each element of a list.
pub(crate) fn texts(value: &toml::Value) -> Option<Vec<String>> {
    let text = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        _ => None,
    };
    match value {
        toml::Value::Array(elements) => elements.iter().map(text).collect(),
        single => text(single).map(|text| vec![text]),
    }
}
