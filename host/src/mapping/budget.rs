//! What the rules of one section may use up on one record. CEL has no loops without end, but loops in loops, and texts that
//! double with each: ten letters of a rule can ask for more than any machine has. So every turn of a loop and every value that
//! an expression builds is paid for out of a budget, by calls that are put into the parsed expression.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, operators};
use cel::objects::Value;
use cel::{Context, ExecutionError, IdedExpr};

use super::lookups;

/// Turns, values and pieces of text for one section of one record: a thousand times what a long order needs, and done within a
/// second.
const BUDGET: u64 = 500_000;
/// Letters of a text that cost as much as a turn.
const PIECE: usize = 16;
/// What one match of a pattern costs: the pattern is made ready each time.
const PATTERN: u64 = 2_000;
/// Letters of one rule.
const LONGEST: usize = 8_000;
/// Expressions within expressions.
const DEEPEST: usize = 100;

/// No name that a rule could write.
const SPEND: &str = "@spend";
const SPEND_ON_PATTERN: &str = "@spend_on_pattern";

/// Refuses a rule that is too long, before it is parsed: the parser goes as deep as a rule is long, and its stack ends.
pub fn short_enough(text: &str) -> Result<(), String> {
    if text.chars().count() > LONGEST {
        return Err(format!("a rule may have {LONGEST} letters: put a code table into [tables]"));
    }
    Ok(())
}

/// The expression that pays for what it does; or why it may not be one.
pub fn bounded(expression: &IdedExpr) -> Result<IdedExpr, String> {
    paying(expression, 0)
}

/// Gives the context a budget.
pub fn grant(context: &mut Context<'static, 'static>) -> Result<(), cel::DeclarationError> {
    let left = Arc::new(AtomicU64::new(BUDGET));
    let on_pattern = left.clone();
    context.add_function(SPEND, move |value: Value| {
        let price = price_of(&value, left.load(Ordering::Relaxed));
        pay(&left, price).map(|()| value)
    })?;
    context.add_function(SPEND_ON_PATTERN, move |value: Value| pay(&on_pattern, PATTERN).map(|()| value))
}

fn pay(left: &AtomicU64, price: u64) -> Result<(), ExecutionError> {
    // One evaluation, one thread. What is used up stays so.
    match left.load(Ordering::Relaxed).checked_sub(price) {
        Some(rest) => {
            left.store(rest, Ordering::Relaxed);
            Ok(())
        }
        None => {
            left.store(0, Ordering::Relaxed);
            let why = format!("the rules of the section take more than {BUDGET} steps and values on this record");
            Err(ExecutionError::function_error("mapping", why))
        }
    }
}

/// One for a value and each in it, and for each piece of its texts; not counted beyond `most`.
fn price_of(value: &Value, most: u64) -> u64 {
    let text = |length: usize| 1 + (length / PIECE) as u64;
    match value {
        Value::String(value) => text(value.len()),
        Value::Bytes(value) => text(value.len()),
        Value::List(items) => sum(items.iter(), most),
        Value::Map(map) => sum(map.map.values(), most) + map.map.len() as u64,
        _ => 1,
    }
}

fn sum<'a>(values: impl Iterator<Item = &'a Value>, most: u64) -> u64 {
    let mut price = 1;
    for value in values {
        price += price_of(value, most.saturating_sub(price));
        if price > most {
            break;
        }
    }
    price
}

fn paid(expression: IdedExpr, how: &str) -> IdedExpr {
    let call = CallExpr { func_name: how.to_owned(), target: None, args: vec![expression] };
    IdedExpr { id: 0, expr: Expr::Call(call) }
}

fn paying(expression: &IdedExpr, depth: usize) -> Result<IdedExpr, String> {
    if depth > DEEPEST {
        return Err(format!("a rule may be {DEEPEST} expressions deep"));
    }
    let below = |inner: &IdedExpr| paying(inner, depth + 1);
    let built = |inner: &IdedExpr| match inner.expr {
        Expr::Literal(_) => Ok(inner.clone()),
        _ => below(inner).map(|inner| paid(inner, SPEND)),
    };
    let mut how = None;
    let expr = match &expression.expr {
        Expr::Call(call) => {
            how = match call.func_name.as_str() {
                operators::ADD => Some(SPEND),
                "matches" => Some(SPEND_ON_PATTERN),
                _ => None,
            };
            let target = call.target.as_deref().map(below).transpose()?.map(Box::new);
            let args = call.args.iter().map(below).collect::<Result<_, _>>()?;
            Expr::Call(lookups::in_table(CallExpr { func_name: call.func_name.clone(), target, args }))
        }
        Expr::Select(select) => {
            let mut select = select.clone();
            let of_source = lookups::is_of_source(&select.operand);
            select.operand = Box::new(below(&select.operand)?);
            if of_source { lookups::in_record(select) } else { Expr::Select(select) }
        }
        Expr::List(list) => {
            let mut list = list.clone();
            list.elements = list.elements.iter().map(built).collect::<Result<_, _>>()?;
            Expr::List(list)
        }
        Expr::Map(map) => {
            let mut map = map.clone();
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    (entry.key, entry.value) = (built(&entry.key)?, built(&entry.value)?);
                }
            }
            Expr::Map(map)
        }
        Expr::Struct(_) => return Err("a rule gives a value, and none of a type of its own".into()),
        Expr::Comprehension(own) => {
            let mut own: ComprehensionExpr = own.as_ref().clone();
            own.iter_range = below(&own.iter_range)?;
            // A turn that fails may be passed over (`exists`): its condition is not.
            if !matches!(own.loop_cond.expr, Expr::Literal(_)) {
                own.loop_cond = paid(own.loop_cond, SPEND);
            }
            own.loop_step = turn(&own.loop_step, depth + 1)?;
            Expr::Comprehension(Box::new(own))
        }
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => expression.expr.clone(),
    };
    let made = IdedExpr { id: expression.id, expr };
    Ok(how.map_or(made.clone(), |how| paid(made, how)))
}

/// The step of a loop, as the macros write it: what they add to is left as it is, since CEL knows it by its shape and adds in
/// place.
fn turn(step: &IdedExpr, depth: usize) -> Result<IdedExpr, String> {
    let Expr::Call(call) = &step.expr else { return paying(step, depth) };
    let args = match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::ADD, [sum, more]) => vec![sum.clone(), paying(more, depth + 1)?],
        (operators::CONDITIONAL, [condition, then, otherwise]) => {
            let condition = paid(paying(condition, depth + 1)?, SPEND);
            vec![condition, turn(then, depth + 1)?, turn(otherwise, depth + 1)?]
        }
        _ => return paying(step, depth),
    };
    let call = CallExpr { func_name: call.func_name.clone(), target: None, args };
    Ok(IdedExpr { id: step.id, expr: Expr::Call(call) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::mapping::Mapping;

    fn apply(rule: &str, source: &Value) -> Result<Value, String> {
        let rule = toml::Value::String(rule.to_owned());
        let mapping = Mapping::parse(&format!("version = 1\n[header]\nX = {rule}\n")).map_err(|e| e.to_string())?;
        mapping.apply("header", source).map(|mut target| target["X"].take()).map_err(|e| e.to_string())
    }

    #[test]
    fn no_rule_takes_more_than_its_budget() {
        let nested = |over: &str, how: &str| {
            let open: String = ('a'..='h').map(|name| format!("{over}.{how}({name}, ")).collect();
            format!("{open}false{}", ")".repeat(8))
        };
        let ten = "[1,2,3,4,5,6,7,8,9,0]";
        let mut runaway: Vec<String> = ["map", "exists", "exists_one"].map(|how| nested(ten, how)).into();
        runaway.push(nested(ten, "all").replace("false", "true"));
        runaway.push(nested(ten, "exists").replace("false", "source.Nope.X == 1"));
        let (open, close) = (format!("{ten}.filter(x, size(").repeat(8), ") > 9)".repeat(8));
        runaway.push(format!("{open}[1]{close}"));
        runaway.push(format!("['ab']{}", ".map(x, x + x)".repeat(60)));
        runaway.push(format!("[source.Long]{}", ".map(x, [x, x])".repeat(40)));
        runaway.push(format!("[{}]", ["source.Long"; 600].join(",")));
        runaway.push(format!("{ten}.map(a, {ten}.map(b, {ten}.map(c, matches(source.Name, '(a{{0,50}}){{0,50}}$'))))"));
        let source = json!({ "Long": "x".repeat(1 << 20), "Name": "n" });
        for rule in runaway {
            let told = apply(&rule, &source).unwrap_err();
            assert!(told.contains("take more than"), "{rule}: {told}");
        }
    }

    #[test]
    fn what_a_rule_gives_is_the_same_as_without_a_budget() {
        let lines: Vec<Value> = (0..500).map(|n| json!({ "ItemCode": format!("A{n}"), "Quantity": n })).collect();
        let source = json!({ "Lines": lines, "Name": "North", "None": null });
        for (rule, value) in [
            ("source.Lines.filter(l, l.Quantity > 497).map(l, l.ItemCode)", json!(["A498", "A499"])),
            ("source.Lines.map(l, l.Quantity < 2, l.ItemCode + '!')", json!(["A0!", "A1!"])),
            ("source.Lines.exists(l, l.ItemCode == 'A7') && source.Lines.all(l, l.Quantity >= 0)", json!(true)),
            ("source.Lines.exists_one(l, l.Quantity == 7)", json!(true)),
            ("source.Lines.exists(l, l.Nope == 1 || l.Quantity == 3)", json!(true)),
            ("has(source.Name) ? {'a': [source.Name + 'x', 'y']}.a[0] : ''", json!("Northx")),
            ("source.Name.matches('^N.*h$') ? size(source.Lines) : 0", json!(500)),
            ("source.None == null ? 'none' : 'some'", json!("none")),
            ("day('2026-01-31T00:00:00Z') + 'T'", json!("2026-01-31T")),
        ] {
            assert_eq!(apply(rule, &source).unwrap(), value, "{rule}");
        }
    }

    #[test]
    fn a_rule_that_is_too_long_or_too_deep_is_refused_with_its_line() {
        for rule in [
            format!("'{}'", "x".repeat(9_000)),
            format!("1{}", "+1".repeat(3_000)),
            format!("{}1{}", "(".repeat(4_000), ")".repeat(4_000)),
            format!("source{}", "[0]".repeat(2_000)),
            format!("{}1{}", "[".repeat(3_000), "]".repeat(3_000)),
        ] {
            let told = apply(&rule, &json!({})).unwrap_err();
            assert!(told.starts_with("line 3: [header] X"), "{}", told.chars().take(300).collect::<String>());
        }
    }
}
