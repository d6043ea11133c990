//! What SQLite learns from us: to seal values and to open them.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{ToSqlOutput, ValueRef as Stored};

use super::engine::{as_value, into_value};
use crate::store::sql::ValueRef;
use crate::store::sql::sealing::{Keys, place_of, sealed_by};
use crate::store::{Result, StoreError};

/// Makes the functions known to a connection.
pub fn register(connection: &rusqlite::Connection, keys: &Keys) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    let own = keys.clone();
    connection.create_scalar_function("seal", -1, flags, move |context| {
        let last = last_of(context)?;
        let as_it_is = ToSqlOutput::Arg(last);
        if !own.are_there() {
            return Ok(as_it_is);
        }
        let sealed = own.sealed(&place(context, last)?, value(context, last)?).map_err(told)?;
        Ok(sealed.map_or(as_it_is, |sealed| ToSqlOutput::Owned(rusqlite::types::Value::Blob(sealed))))
    })?;
    let own = keys.clone();
    connection.create_scalar_function("unseal", -1, flags, move |context| {
        let last = last_of(context)?;
        let as_it_is = ToSqlOutput::Arg(last);
        let Stored::Blob(bytes) = context.get_raw(last) else { return Ok(as_it_is) };
        if sealed_by(bytes).is_none() {
            return Ok(as_it_is);
        }
        let opened = own.opened(&place(context, last)?, bytes).map_err(told)?;
        Ok(opened.map_or(as_it_is, |opened| ToSqlOutput::Owned(into_value(opened))))
    })?;
    connection.create_scalar_function("sealed_by", 1, flags | FunctionFlags::SQLITE_DETERMINISTIC, |context| {
        let Stored::Blob(bytes) = context.get_raw(0) else { return Ok(None) };
        Ok(sealed_by(bytes).map(|id| id.to_string()))
    })?;
    Ok(())
}

fn told(error: StoreError) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(error.to_string().into())
}

/// The value is the last argument; those before it say where it stands.
fn last_of(context: &Context<'_>) -> rusqlite::Result<usize> {
    context.len().checked_sub(1).ok_or(rusqlite::Error::InvalidParameterCount(0, 1))
}

fn value<'a>(context: &'a Context<'_>, argument: usize) -> rusqlite::Result<ValueRef<'a>> {
    as_value(context.get_raw(argument)).map_err(told)
}

fn place(context: &Context<'_>, last: usize) -> rusqlite::Result<Vec<u8>> {
    let parts = (0..last).map(|argument| value(context, argument)).collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(place_of(parts))
}
