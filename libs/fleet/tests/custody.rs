//! What a job says of an artifact, by what it said before and how the pointer was read.
#![cfg(test)]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "each target tells other stories")]
mod world;

use fleet::{
    Actor, ArtifactId, ArtifactKind, Circumstances, Code, Command, EventType, Job, Keep, Mention,
    Pointer, Record, Rejection, Removal, Wish,
};
use serde_json::json;
use uuid::Uuid;
use world::{World, content, job_id};

const POINTERS: [Pointer; 3] = [Pointer::Ready, Pointer::Pending, Pointer::Missing];

fn mention() -> Mention {
    let id =
        ArtifactId::new(job_id("a"), Uuid::from_u128(0x0189_0a5d_ac96_7000_8000_0000_0000_0001));
    Mention { artifact_id: id, kind: ArtifactKind::Build, size_bytes: None, sha256: None }
}

fn keep() -> Wish {
    Wish::Keep(Box::new(Keep { mention: mention(), holding: None }))
}

fn remove(unless_ready: bool) -> Wish {
    let (mention, holding, reason) = (mention(), None, None);
    Wish::Remove(Box::new(Removal { mention, holding, unless_ready, reason }))
}

/// The job after this wish, and what it said of the artifact, if it said anything new.
fn said(
    (world, job): (&World, &Job),
    wish: Wish,
    pointer: Pointer,
) -> Result<(Job, Option<EventType>), Rejection> {
    let given = Circumstances { pointer, ..world.given(job) };
    let facts = job.decide(&Command { by: Actor::user("ann"), given, wish }, world.now)?;
    let next = facts.iter().fold(job.clone(), Record::evolve);
    let new = next.last_word_of(mention().artifact_id).filter(|_| !facts.is_empty());
    Ok((next, new))
}

fn told(job: (&World, &Job), wish: Wish, pointer: Pointer) -> Result<Option<EventType>, Code> {
    said(job, wish, pointer).map(|(_, new)| new).map_err(|no| no.code)
}

#[test]
fn an_artifact_is_told_of_once_and_only_while_its_pointer_waits_for_it() {
    let mut world = World::new();
    world.submit(content("a", &json!({}))).unwrap();
    let fresh = world.job(job_id("a")).clone();
    let (added, _) = said((&world, &fresh), keep(), Pointer::Pending).unwrap();
    let (deleted, _) = said((&world, &added), remove(false), Pointer::Ready).unwrap();
    let (is_added, is_deleted) = (EventType::ArtifactAdded, EventType::ArtifactDeleted);
    // By the pointer: ready, pending, missing.
    for (what, job, kept, removed, given_up) in [
        (
            "nothing was said",
            &fresh,
            [Ok(None), Ok(Some(is_added)), Err(Code::NotFound)],
            [Ok(Some(is_deleted)), Ok(Some(is_deleted)), Ok(None)],
            [Err(Code::Conflict), Ok(Some(is_deleted)), Ok(None)],
        ),
        (
            "it was added",
            &added,
            [Ok(None), Ok(None), Ok(None)],
            [Ok(Some(is_deleted)), Ok(Some(is_deleted)), Ok(None)],
            [Err(Code::Conflict), Err(Code::Conflict), Ok(None)],
        ),
        (
            "it was deleted",
            &deleted,
            [Err(Code::NotFound), Err(Code::NotFound), Err(Code::NotFound)],
            [Ok(None), Ok(None), Ok(None)],
            [Ok(None), Ok(None), Ok(None)],
        ),
    ] {
        let all =
            |wish: &dyn Fn() -> Wish| POINTERS.map(|pointer| told((&world, job), wish(), pointer));
        assert_eq!(all(&keep), kept, "{what}: keep");
        assert_eq!(all(&|| remove(false)), removed, "{what}: remove");
        assert_eq!(all(&|| remove(true)), given_up, "{what}: give up unless it is ready");
    }
}
