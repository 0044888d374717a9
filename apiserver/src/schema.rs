//! A structural schema, parsed once per version of a definition.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::object::{items, strings};

/// Maximum size of a compiled pattern in bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// The schema of one value. Structure is in `properties`, `additional` and `items`; `rules` only restrict values.
#[derive(Debug, Default)]
pub struct Schema {
    pub json_type: Option<JsonType>,
    pub nullable: bool,
    /// Unknown fields at this level are kept.
    pub preserve_unknown: bool,
    pub int_or_string: bool,
    /// The value is a complete object with apiVersion, kind and metadata.
    pub embedded: bool,
    pub default: Option<Value>,
    pub properties: BTreeMap<String, Schema>,
    /// `additionalProperties`: the schema of every other field. `true` and `false` become an empty schema.
    pub additional: Option<Box<Schema>>,
    pub items: Option<Box<Schema>>,
    pub list: ListType,
    pub rules: Rules,
}

/// `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonType {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

/// `x-kubernetes-list-type`.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum ListType {
    #[default]
    Atomic,
    /// Each element is unique.
    Set,
    /// Each combination of these fields is unique.
    Map(Vec<String>),
}

/// Value validations: they restrict a value but do not change it.
#[derive(Debug, Default)]
pub struct Rules {
    pub required: Vec<String>,
    pub allowed: Vec<Value>,
    pub minimum: Option<Bound>,
    pub maximum: Option<Bound>,
    pub multiple_of: Option<f64>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub pattern: Option<Regex>,
    pub format: Option<String>,
    pub min_items: Option<u64>,
    pub max_items: Option<u64>,
    pub min_properties: Option<u64>,
    pub max_properties: Option<u64>,
    pub all_of: Vec<Schema>,
    pub any_of: Vec<Schema>,
    pub one_of: Vec<Schema>,
    pub not: Option<Box<Schema>>,
}

/// `minimum` or `maximum`.
#[derive(Debug)]
pub struct Bound {
    pub value: f64,
    pub exclusive: bool,
}

impl JsonType {
    pub const ALL: [Self; 6] = [Self::Array, Self::Boolean, Self::Integer, Self::Number, Self::Object, Self::String];

    pub fn name(self) -> &'static str {
        match self {
            JsonType::Object => "object",
            JsonType::Array => "array",
            JsonType::String => "string",
            JsonType::Integer => "integer",
            JsonType::Number => "number",
            JsonType::Boolean => "boolean",
        }
    }

    pub fn parse(name: &str) -> Option<JsonType> {
        JsonType::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Schema {
    /// Parses the schema of a valid definition. Unsupported keywords are ignored; the JSON parser limits the depth.
    pub fn parse(json: &Value) -> Schema {
        let flag = |name: &str| json[name] == true;
        let child = |name: &str| json[name].is_object().then(|| Box::new(Schema::parse(&json[name])));
        let properties = json["properties"].as_object().into_iter().flatten();
        let additional = &json["additionalProperties"];
        Schema {
            json_type: json["type"].as_str().and_then(JsonType::parse),
            nullable: flag("nullable"),
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            embedded: flag("x-kubernetes-embedded-resource"),
            default: json.get("default").filter(|default| !default.is_null()).cloned(),
            properties: properties.map(|(name, json)| (name.clone(), Schema::parse(json))).collect(),
            additional: (!additional.is_null()).then(|| Box::new(Schema::parse(additional))),
            items: child("items"),
            list: match json["x-kubernetes-list-type"].as_str() {
                Some("set") => ListType::Set,
                Some("map") => ListType::Map(strings(&json["x-kubernetes-list-map-keys"]).map(str::to_owned).collect()),
                _ => ListType::Atomic,
            },
            rules: Rules::parse(json),
        }
    }
}

impl Rules {
    fn parse(json: &Value) -> Rules {
        let count = |name: &str| json[name].as_u64();
        let bound = |name: &str, exclusive: &str| {
            Some(Bound { value: json[name].as_f64()?, exclusive: json[exclusive] == true })
        };
        let schemas = |name: &str| items(&json[name]).iter().map(Schema::parse).collect();
        Rules {
            required: strings(&json["required"]).map(str::to_owned).collect(),
            allowed: json["enum"].as_array().cloned().unwrap_or_default(),
            minimum: bound("minimum", "exclusiveMinimum"),
            maximum: bound("maximum", "exclusiveMaximum"),
            multiple_of: json["multipleOf"].as_f64(),
            min_length: count("minLength"),
            max_length: count("maxLength"),
            pattern: json["pattern"].as_str().and_then(|text| compile_pattern(text).ok()),
            format: json["format"].as_str().map(str::to_owned),
            min_items: count("minItems"),
            max_items: count("maxItems"),
            min_properties: count("minProperties"),
            max_properties: count("maxProperties"),
            all_of: schemas("allOf"),
            any_of: schemas("anyOf"),
            one_of: schemas("oneOf"),
            not: json["not"].is_object().then(|| Box::new(Schema::parse(&json["not"]))),
        }
    }
}

/// Compiles a pattern. As in Go, matching takes linear time.
pub fn compile_pattern(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(PATTERN_SIZE).build()
}
