//! What CEL takes for an error and a rule does not: a field that a record lacks is null, as it is to a plain path; null and blank
//! text are null in every code table. Code tables: `tables.country["DE"]` gives the value, `reverse.country["Germany"]` the
//! code; what has no entry is an error that names it.

use std::sync::Arc;

use cel::common::ast::{CallExpr, Expr, LiteralValue, SelectExpr, operators};
use cel::objects::{Key, Value};
use cel::{Context, ExecutionError, IdedExpr};

/// No names that a rule could write.
const ENTRY: &str = "@entry";
const FIELD: &str = "@field";

/// True for `source` and what is selected from it.
pub fn is_of_source(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Ident(name) => name == "source",
        Expr::Select(select) => !select.test && is_of_source(&select.operand),
        _ => false,
    }
}

/// The look-up of a field in a record; `has(source.Name)` stays what it is.
pub fn in_record(select: SelectExpr) -> Expr {
    if select.test {
        return Expr::Select(select);
    }
    let name = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String(select.field.into())) };
    Expr::Call(CallExpr { func_name: FIELD.into(), target: None, args: vec![*select.operand, name] })
}

/// The call that looks up in a code table, for the one that CEL would make of it.
pub fn in_table(call: CallExpr) -> CallExpr {
    let table = match call.args.as_slice() {
        [table, _] if call.func_name == operators::INDEX => match &table.expr {
            Expr::Select(select) => {
                Some(select).filter(|select| is_tables(&select.operand)).map(|own| own.field.clone())
            }
            _ => None,
        },
        _ => None,
    };
    let Some(table) = table else { return call };
    let mut args = call.args;
    args.push(IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String(table.into())) });
    CallExpr { func_name: ENTRY.into(), target: None, args }
}

fn is_tables(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if matches!(name.as_str(), "tables" | "reverse"))
}

/// Gives the context the look-ups.
pub fn grant(context: &mut Context<'static, 'static>) -> Result<(), cel::DeclarationError> {
    context.add_function(FIELD, |record: Value, name: Arc<String>| match record {
        Value::Map(fields) => Ok(fields.map.get(&Key::String(name)).cloned().unwrap_or(Value::Null)),
        Value::Null => Ok(Value::Null),
        _ => Err(ExecutionError::no_such_key(&name)),
    })?;
    context.add_function(ENTRY, |table: Value, key: Value, name: Value| {
        let text = match &key {
            Value::Null => return Ok(Value::Null),
            Value::String(text) if text.trim().is_empty() => return Ok(Value::Null),
            Value::String(text) => text.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => String::new(),
        };
        let Value::Map(entries) = &table else {
            return Err(ExecutionError::function_error("tables", "there is no such code table"));
        };
        entries.map.get(&Key::String(text.clone().into())).cloned().ok_or_else(|| {
            let Value::String(name) = &name else { return ExecutionError::function_error("tables", "no entry") };
            ExecutionError::function_error("tables", format!("{text:?} has no entry in the code table {name}"))
        })
    })
}
