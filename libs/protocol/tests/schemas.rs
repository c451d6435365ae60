//! The shapes of a submission and of every message, as committed JSON Schemas. `UPDATE_EXPECT=1`
//! rewrites them.

use expect_test::expect_file;
use protocol::{
    AddChildren, Added, Beat, Beaten, ClaimWork, Deregister, Envelope, Found, Granted, JobView,
    ListJobs, Listed, OfJob, OfProduct, Operate, OperateFactory, OperateProduct, Operated,
    PatchJob, PlanJob, Planned, Receipt, ReleaseJob, RenewAnswer, RenewLeases, ReportProgress,
    SubmitJob, Verified, Verify,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

#[test]
fn the_shape_of_a_submission_is_as_committed() {
    let mut schema = fleet::submission_schema();
    schema["$schema"] = DIALECT.into();
    schema["title"] = "Submission".into();
    expect_file!["../../../schemas/submission.json"].assert_eq(&printed(&schema));
}

#[test]
fn the_shapes_of_the_messages_are_as_committed() {
    let mut all = SchemaSettings::draft2020_12().into_generator();
    add::<(SubmitJob, Receipt, PlanJob, Planned, AddChildren, Added)>(&mut all);
    add::<(ListJobs, Listed, OfJob, OfProduct, Found, JobView)>(&mut all);
    add::<(ClaimWork, Granted, RenewLeases, RenewAnswer, PatchJob, ReportProgress)>(&mut all);
    add::<(ReleaseJob, Beat, Beaten, Deregister)>(&mut all);
    add::<(Operate, Operated, OperateFactory, OperateProduct, Verify, Verified)>(&mut all);
    add::<Envelope>(&mut all);
    let schema = json!({
        "$schema": DIALECT,
        "title": "Messages",
        "description": "What is said on the bus; each under the name of its type.",
        "$defs": all.take_definitions(true),
    });
    expect_file!["../../../schemas/messages.json"].assert_eq(&printed(&schema));
}

fn add<T: JsonSchema>(all: &mut SchemaGenerator) {
    all.subschema_for::<T>();
}

fn printed(schema: &Value) -> String {
    let text = serde_json::to_string_pretty(schema).expect("string keys encode");
    text + "\n"
}
