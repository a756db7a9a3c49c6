//! The schemas of the three files.

use policy::{AdapterInfo, AspectKind};
use serde_json::{Value as Json, json};

use super::parts::{
    Field, boolean, fields, ignored, integer, list, loose_text, map, name, number, optional, required, span,
    text, value_type, words,
};
use crate::adapters;

/// Where the descriptor sections stand, for files that have everything in one.
const SECTIONS: [&str; 6] = ["manifests", "metrics", "logs", "quotas", "monitored_resources", "principals"];

pub(super) fn adapters() -> Json {
    let infos = adapters::infos();
    let lines: Vec<_> = infos.iter().map(|info| format!("{}: {}.", info.name, info.description)).collect();
    let names: Vec<_> = infos.iter().map(|info| info.name).collect();
    let mut block = fields(
        "An adapter with a name and parameters.",
        vec![
            optional("name", loose_text("The name that aspects call the block by.")),
            optional(
                "kind",
                loose_text("Beside the point: a block serves all kinds that its adapter serves."),
            ),
            required("impl", json!({ "description": lines.join("\n"), "enum": names })),
            optional(
                "params",
                json!({
                    "description": "The adapter's own parameters; `mixer validate` checks them.",
                    "type": ["object", "null"],
                }),
            ),
        ],
    );
    block["allOf"]
        .as_array_mut()
        .into_iter()
        .for_each(|all| all.extend(infos.iter().map(|info| serving(info))));
    let section = list("The adapter blocks.", &block);
    let others = SECTIONS.map(|section| optional(section, ignored("it belongs into descriptors.yml")));
    document("adapters.yml", vec![optional("adapters", section)], others)
}

/// What a block of an adapter serves, where an editor shows it.
fn serving(info: &AdapterInfo) -> Json {
    let kinds: Vec<_> = info.kinds.iter().map(|kind| kind.as_str()).collect();
    json!({
        "if": { "properties": { "impl": { "const": info.name } }, "required": ["impl"] },
        "then": { "properties": { "kind": { "description": format!("{} serves {}.", info.name, kinds.join(", ")) } } },
    })
}

pub(super) fn descriptors() -> Json {
    let sections = vec![
        optional("manifests", list("What attributes there are.", &manifest())),
        optional("metrics", list("The shapes of metrics.", &metric())),
        optional("logs", list("The shapes of log entries.", &log())),
        optional("quotas", list("The shapes of quotas.", &quota())),
        optional(
            "monitored_resources",
            list(
                "Read, and used by nothing.",
                &descriptor("A monitored resource.", vec![optional("description", text("What it is."))]),
            ),
        ),
        optional("principals", list("Read, and used by nothing.", &descriptor("A principal.", Vec::new()))),
    ];
    document("descriptors.yml", sections, [optional("adapters", ignored("it belongs into adapters.yml"))])
}

pub(super) fn rules() -> Json {
    let rules = |description: &str| list(description, &json!({ "$ref": "#/$defs/rule" }));
    let rule = fields(
        "Aspects and further rules under a common selector.",
        vec![
            optional(
                "selector",
                loose_text("An expression of type BOOL. Without it the rule applies always."),
            ),
            optional("aspects", list("What is done.", &aspect())),
            optional("request_header_operations", list("What is done to the request's headers.", &header())),
            optional(
                "response_header_operations",
                list("What is done to the response's headers.", &header()),
            ),
            optional("rules", rules("Rules that are considered only if this one applies.")),
        ],
    );
    let mut schema = document("rules.yml", vec![optional("rules", rules("The rules, in order."))], []);
    schema["$defs"] = json!({ "rule": rule });
    schema
}

fn document(file: &str, sections: Vec<Field>, others: impl IntoIterator<Item = Field>) -> Json {
    let header = [
        optional("subject", ignored("scope and subject are those of the file's path")),
        optional("revision", ignored("the revision is computed from the contents")),
    ];
    let all = sections.into_iter().chain(others).chain(header).collect();
    let mut schema = fields(&format!("Mixer: {file}"), all);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(file);
    schema
}

// === Descriptors ===

fn manifest() -> Json {
    let info = || {
        vec![
            optional("description", loose_text("What it is.")),
            optional("value_type", value_type("The type of its values.")),
        ]
    };
    let by_name = map("By name.", &fields("An attribute.", info()));
    let named = [vec![required("name", name("The attribute's name."))], info()].concat();
    let listed = list("As older files have it.", &fields("An attribute.", named));
    fields(
        "The attributes that one producer fills.",
        vec![
            optional("name", loose_text("Who fills them.")),
            optional("revision", loose_text("The manifest's own.")),
            optional("attributes", json!({ "anyOf": [by_name, listed] })),
        ],
    )
}

fn descriptor(description: &str, own: Vec<Field>) -> Json {
    let labels = map("The labels with their types.", &value_type("The label's type."));
    let common =
        vec![required("name", name("The name that aspects call it by.")), optional("labels", labels)];
    fields(description, [common, own].concat())
}

fn for_people() -> Vec<Field> {
    vec![
        optional("display_name", text("A name for people.")),
        optional("description", text("What it is, for people.")),
    ]
}

fn metric() -> Json {
    let own = vec![
        required("kind", words("How values add up.", &["GAUGE", "COUNTER", "DISTRIBUTION"])),
        required("value", value_type("The type of its values.")),
        optional("buckets", buckets()),
    ];
    descriptor("The shape of a metric.", [for_people(), own].concat())
}

fn buckets() -> Json {
    let count = || required("num_finite_buckets", integer("How many finite buckets.", 1));
    let shape = |field, parts| fields("One shape.", vec![required(field, fields("Its numbers.", parts))]);
    json!({
        "description": "The buckets of a distribution, of exactly one shape.",
        "anyOf": [
            shape("linear_buckets", vec![
                count(),
                required("width", number("The width of each, above 0.")),
                optional("offset", number("Where the first begins.")),
            ]),
            shape("exponential_buckets", vec![
                count(),
                required("growth_factor", number("How much wider each is than the one before, above 1.")),
                required("scale", number("The width of the first, above 0.")),
            ]),
            shape("explicit_buckets", vec![
                optional("bounds", list("The upper bounds, increasing.", &number("A bound."))),
            ]),
            { "type": "null" },
        ],
    })
}

fn log() -> Json {
    let own = vec![
        required("payload_format", words("What the template renders.", &["TEXT", "JSON"])),
        required("log_template", name("A template in a part of Go's text/template.")),
    ];
    descriptor("The shape of a log entry.", [for_people(), own].concat())
}

fn quota() -> Json {
    let own =
        vec![optional("rate_limit", boolean("Whether amounts are for a span of time, or until released."))];
    descriptor("The shape of a quota.", [for_people(), own].concat())
}

// === Rules ===

fn header() -> Json {
    let operations = json!(["REPLACE", "REMOVE", "APPEND", "UNSPECIFIED", 0, 1, 2, -1, null]);
    let values = json!({
        "description": "Expressions; a text stands in quotes of its own.",
        "type": ["array", "string", "null"],
        "items": { "type": "string" },
    });
    fields(
        "What is done to a header if the request is allowed.",
        vec![
            required("name", name("The header's name.")),
            optional("operation", json!({ "description": "`REPLACE` if not given.", "enum": operations })),
            optional("values", values),
        ],
    )
}

fn aspect() -> Json {
    let kinds = AspectKind::ALL.map(AspectKind::as_str);
    let mut aspect = fields(
        "One thing that is done.",
        vec![
            required("kind", json!({ "description": "What it is about.", "enum": kinds })),
            optional("adapter", loose_text("The adapter block that does it; `default` if it is not named.")),
            optional(
                "selector",
                loose_text("An expression of type BOOL. Without it the aspect applies always."),
            ),
            optional("params", json!({ "description": "What its kind needs to know." })),
            optional(
                "valid_duration",
                span("How long what it contributes to a verdict holds, at the longest."),
            ),
            optional("valid_use_count", integer("How often that may be used, at the most.", 0)),
        ],
    );
    let of_kind = |kind: AspectKind| {
        json!({
            "if": { "properties": { "kind": { "const": kind.as_str() } }, "required": ["kind"] },
            "then": { "properties": { "params": params(kind) } },
        })
    };
    aspect["allOf"].as_array_mut().into_iter().for_each(|all| all.extend(AspectKind::ALL.map(of_kind)));
    aspect
}

fn params(kind: AspectKind) -> Json {
    let known = match kind {
        AspectKind::Denials => Vec::new(),
        AspectKind::Lists => vec![
            optional("blacklist", boolean("Whether what is on the list is refused, instead of what is not.")),
            optional(
                "check_expression",
                text("What is looked for, STRING or IP_ADDRESS; `source.ip` if not given."),
            ),
        ],
        AspectKind::Metrics => vec![optional("metrics", list("What is measured.", &measured()))],
        AspectKind::Quotas => vec![optional("quotas", list("What is limited.", &limited()))],
        AspectKind::AccessLogs => vec![
            optional("log_name", text("The log's name; `access_log` if not given.")),
            optional("log", fields("The entry.", entry())),
        ],
        AspectKind::ApplicationLogs => {
            let own = vec![
                optional("severity", text("An expression of type STRING.")),
                optional("timestamp", text("An expression of type TIMESTAMP.")),
                optional("time_format", text("How the time is written, in Go's notation.")),
            ];
            vec![
                optional("log_name", text("The log's name; `istio_log` if not given.")),
                optional("logs", list("The entries.", &fields("An entry.", [entry(), own].concat()))),
            ]
        }
        AspectKind::Attributes => vec![
            optional("input_expressions", expressions("What the adapter derives from, by its input.")),
            optional(
                "attribute_bindings",
                map("Attributes, and the adapter's output that each is.", &loose_text("An output.")),
            ),
        ],
    };
    fields(&format!("The parameters of {kind}."), known)
}

fn expressions(description: &str) -> Json {
    map(description, &json!({ "description": "An expression.", "type": "string" }))
}

fn described() -> Field {
    optional("descriptor_name", text("The descriptor's name."))
}

fn entry() -> Vec<Field> {
    vec![
        described(),
        optional("template_expressions", expressions("The template's variables.")),
        optional("labels", expressions("The descriptor's labels.")),
    ]
}

fn measured() -> Json {
    fields(
        "A metric.",
        vec![
            described(),
            required("value", text("An expression of the descriptor's type.")),
            optional("labels", expressions("The descriptor's labels.")),
        ],
    )
}

fn limited() -> Json {
    let limit = || {
        vec![
            optional("max_amount", integer("How much there is.", 0)),
            optional("expiration", span("The span that it is for; none for what is released.")),
        ]
    };
    let special = optional("labels", map("For which values of labels.", &json!({})));
    let exceptions = fields("Another limit.", [vec![special], limit()].concat());
    let own = vec![
        described(),
        optional("labels", expressions("The descriptor's labels; each set of values is counted by itself.")),
        optional("overrides", list("Other limits for some values of labels.", &exceptions)),
    ];
    fields("A quota.", [own, limit()].concat())
}
