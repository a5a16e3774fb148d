//! What the log is held against: bare writes, SQLite and redb, each with records of the same bytes in the same groups.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use redb::{Database, Durability, TableDefinition};
use rusqlite::{Connection, params};

use crate::{KIND, payload};

/// The bytes of a group's records, one behind the other as they are written.
fn copy(group: &mut Vec<u8>, payload: &[u8], records: usize) {
    group.clear();
    for _ in 0..records {
        group.extend_from_slice(&[0; 20]);
        group.extend_from_slice(KIND.as_bytes());
        group.extend_from_slice(payload);
    }
}

/// The loop that no log can be faster than: copies, writes, and syncs if it is to last.
pub(crate) fn raw(path: &Path, groups: usize, records: usize, sync: bool) {
    let mut file = File::create(path.join("raw")).expect("a file");
    let (payload, mut group) = (payload(), Vec::new());
    for _ in 0..groups {
        copy(&mut group, &payload, records);
        file.write_all(&group).expect("writes");
        if sync {
            file.sync_data().expect("syncs");
        }
    }
}

/// Transactions of `records` inserts each, in WAL mode; `sync`: each is on disk when it is committed.
pub(crate) fn sqlite(path: &Path, groups: usize, records: usize, sync: bool) {
    let mut connection = Connection::open(path.join("sqlite")).expect("opens");
    connection.pragma_update(None, "journal_mode", "WAL").expect("WAL");
    connection.pragma_update(None, "synchronous", if sync { "FULL" } else { "OFF" }).expect("durability");
    connection
        .execute_batch("CREATE TABLE log (seq INTEGER PRIMARY KEY, time INTEGER, kind TEXT, payload BLOB)")
        .expect("a table");
    let payload = payload();
    for _ in 0..groups {
        let transaction = connection.transaction().expect("begins");
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO log (time, kind, payload) VALUES (?1, ?2, ?3)")
                .expect("prepares");
            for record in 0..records {
                insert.execute(params![record as i64, KIND, payload]).expect("inserts");
            }
        }
        transaction.commit().expect("commits");
    }
}

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

/// The same in redb.
pub(crate) fn redb(path: &Path, groups: usize, records: usize, sync: bool) {
    let database = Database::create(path.join("redb")).expect("opens");
    let (payload, mut record, mut seq) = (payload(), Vec::new(), 0);
    for _ in 0..groups {
        let mut transaction = database.begin_write().expect("begins");
        let durability = if sync { Durability::Immediate } else { Durability::None };
        transaction.set_durability(durability).expect("durability");
        {
            let mut table = transaction.open_table(TABLE).expect("a table");
            for _ in 0..records {
                copy(&mut record, &payload, 1);
                table.insert(seq, &*record).expect("inserts");
                seq += 1;
            }
        }
        transaction.commit().expect("commits");
    }
}
