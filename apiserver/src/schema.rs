//! A structural schema, parsed once, when its definition is applied.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::object::{items, words};

/// The compiled form of a pattern may be so large, in bytes: a pattern comes from outside.
const PATTERN_SIZE: usize = 1 << 20;

/// What one value may be. The form of objects and arrays is in `properties`, `additional` and `items`; all that only
/// limits values is in `rules`.
#[derive(Debug, Default)]
pub struct Schema {
    pub kind: Option<Kind>,
    pub nullable: bool,
    /// Unknown fields stay, at this level.
    pub preserve_unknown: bool,
    pub int_or_string: bool,
    /// It is a whole object, with apiVersion, kind and metadata.
    pub embedded: bool,
    pub default: Option<Value>,
    pub properties: BTreeMap<String, Schema>,
    /// `additionalProperties`: what every other field is. A bare `true` or `false` is an empty schema.
    pub additional: Option<Box<Schema>>,
    pub items: Option<Box<Schema>>,
    pub list: ListType,
    pub rules: Rules,
}

/// `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
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
    /// Every element once.
    Set,
    /// Every combination of these fields once.
    Map(Vec<String>),
}

/// What limits a value without giving it another form.
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

impl Kind {
    pub const ALL: [Kind; 6] = [Kind::Array, Kind::Boolean, Kind::Integer, Kind::Number, Kind::Object, Kind::String];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Object => "object",
            Kind::Array => "array",
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
        }
    }

    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Schema {
    /// Of a definition that has been checked; what is not understood is no limit. It goes no deeper than its JSON, and
    /// that is read to a bounded depth.
    pub fn parse(json: &Value) -> Schema {
        let flag = |name: &str| json[name] == true;
        let child = |name: &str| json[name].is_object().then(|| Box::new(Schema::parse(&json[name])));
        let properties = json["properties"].as_object().into_iter().flatten();
        let additional = &json["additionalProperties"];
        Schema {
            kind: json["type"].as_str().and_then(Kind::parse),
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
                Some("map") => ListType::Map(words(&json["x-kubernetes-list-map-keys"]).map(str::to_owned).collect()),
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
            required: words(&json["required"]).map(str::to_owned).collect(),
            allowed: json["enum"].as_array().cloned().unwrap_or_default(),
            minimum: bound("minimum", "exclusiveMinimum"),
            maximum: bound("maximum", "exclusiveMaximum"),
            multiple_of: json["multipleOf"].as_f64(),
            min_length: count("minLength"),
            max_length: count("maxLength"),
            pattern: json["pattern"].as_str().and_then(|text| pattern(text).ok()),
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

/// A pattern; like Go's regular expressions it takes linear time, whatever it says.
pub fn pattern(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(PATTERN_SIZE).build()
}
