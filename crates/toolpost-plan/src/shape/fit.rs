//! Whether what one tool answers can be what another takes.

use serde_json::Value;

use super::{DEPTH, Effort, Schema, Schemas, Shape, types};

/// Whether a value of a shape can satisfy a schema.
///
/// # Errors
///
/// Why none can.
pub(crate) fn fit(shape: &Shape<'_>, taken: Schema<'_>, effort: &Effort) -> Result<(), String> {
    fits(shape, taken, DEPTH, effort)
}

fn fits(shape: &Shape<'_>, taken: Schema<'_>, depth: usize, effort: &Effort) -> Result<(), String> {
    let (has, wants) = (shape.types(), taken.types());
    if has & wants == 0 {
        return Err(format!("is {}, and {} is expected", types::told(has), types::told(wants)));
    }
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    // Only where either has one form is there one thing to compare.
    let ([taken], true) = (&*taken.options(), effort.spend(1)) else { return Ok(()) };
    match shape {
        Shape::Any | Shape::Index => Ok(()),
        Shape::List(of) => items(of, *taken, depth, effort),
        // What is asked most: one form beside one.
        Shape::Of(Schemas::One([given])) if matches!(given.options(), Schemas::One(_)) => {
            alike(*given, *taken, has & wants, depth, effort)
        }
        Shape::Of(schemas) => {
            let options: Vec<Schema<'_>> =
                schemas.iter().flat_map(|schema| schema.options().to_vec()).collect();
            if !effort.spend(options.len()) {
                return Ok(());
            }
            // It is enough that one of its forms fits.
            let mut first = None;
            for option in &options {
                match one(*option, *taken, depth, effort) {
                    Ok(()) => return Ok(()),
                    Err(why) => first = first.or(Some(why)),
                }
            }
            first.map_or(Ok(()), Err)
        }
    }
}

/// Of one form each.
fn one(given: Schema<'_>, taken: Schema<'_>, depth: usize, effort: &Effort) -> Result<(), String> {
    let both = given.types() & taken.types();
    if both == 0 {
        return Err(format!(
            "is {}, and {} is expected",
            types::told(given.types()),
            types::told(taken.types())
        ));
    }
    alike(given, taken, both, depth, effort)
}

/// Of one form each, which have types in common.
fn alike(
    given: Schema<'_>,
    taken: Schema<'_>,
    both: u8,
    depth: usize,
    effort: &Effort,
) -> Result<(), String> {
    if let (Some(values), Some(wanted)) = (given.values(), taken.values())
        && !values.iter().any(|value| wanted.contains(value))
    {
        return Err(format!("is one of {}, and one of {} is expected", list(&values), list(&wanted)));
    }
    if both == types::ARRAY {
        return items(&Shape::one(given).items(), taken, depth, effort);
    }
    if both != types::OBJECT {
        return Ok(());
    }
    let shape = Shape::one(given);
    for name in taken.required() {
        if shape.part(&[name]).is_err() {
            return Err(format!("has no `{name}`, which is required"));
        }
    }
    if taken.is_closed()
        && let Some(extra) = given.required().find(|name| taken.member(name).is_none())
    {
        return Err(format!("has `{extra}`, which is not taken"));
    }
    for name in taken.names() {
        if let (Some(wanted), Ok(part)) = (taken.member(&name), shape.part(&[&name]))
            && given.required().any(|required| required == name)
        {
            fits(&part, wanted, depth, effort).map_err(|why| format!("its `{name}` {why}"))?;
        }
    }
    Ok(())
}

fn items(of: &Shape<'_>, taken: Schema<'_>, depth: usize, effort: &Effort) -> Result<(), String> {
    match taken.keyword("items") {
        Some(at) => fits(of, Schema { at, ..taken }, depth, effort).map_err(|why| format!("each item {why}")),
        None => Ok(()),
    }
}

fn list(values: &[&Value]) -> String {
    let shown: Vec<String> =
        values.iter().take(8).map(|value| crate::path::shown(&value.to_string())).collect();
    shown.join(", ")
}
