//! Who is registered: the same ids, roles and bodies for every server.

/// How many records have the rare role, however many there are.
pub(crate) const RARE: usize = 10;

/// How many have the frequent role, if there are enough of them.
const FREQUENT_MAX: usize = 1_000;

/// A record's lease: longer than any run.
const TTL_MS: u64 = 24 * 3_600 * 1_000;

/// What all records say alike.
const DOCUMENT: &str = concat!(
    r#""services":[{"name":"rpc","port":3001}],"#,
    r#""metadata":{"task":"process invoices","started":"a while ago"}"#
);

/// What a request says where the number of a registered record is wanted, as twelve digits, at
/// random each time.
pub(crate) const ANY: &str = "{any}";

/// The same for a number that was never there before.
pub(crate) const NEW: &str = "{new}";

/// Both in base64: sixteen letters.
pub(crate) const ANY_CODED: &str = "{any64}";
pub(crate) const NEW_CODED: &str = "{new64}";

/// All that are registered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Population {
    pub(crate) records: usize,
}

/// What a record is discovered by. The names are those that every dialect of ours takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Rare,
    Frequent,
    Common,
}

// === impl Population ===

impl Population {
    /// How many records have the frequent role.
    pub(crate) fn frequent(self) -> usize {
        FREQUENT_MAX.min(self.records / 4)
    }

    /// How many records have this role.
    pub(crate) fn count(self, role: Role) -> usize {
        match role {
            Role::Rare => RARE,
            Role::Frequent => self.frequent(),
            Role::Common => self.records - RARE - self.frequent(),
        }
    }

    /// The role of a record. Those of one role lie far from each other.
    pub(crate) fn role(self, number: usize) -> Role {
        let (rare, frequent) = (self.records / RARE, self.records / self.frequent());
        if number.is_multiple_of(rare) && number / rare < RARE {
            Role::Rare
        } else if number % frequent == 1 && number / frequent < self.frequent() {
            Role::Frequent
        } else {
            Role::Common
        }
    }

    /// Every number that is registered from the start.
    pub(crate) fn numbers(self) -> impl Iterator<Item = usize> + Send {
        0..self.records
    }
}

// === impl Role ===

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Role::Rare => "golden",
            Role::Frequent => "lieutenant",
            Role::Common => "worker",
        }
    }
}

/// A number as all servers are told it: always as long, so that answers are always as long, too.
pub(crate) fn digits(number: usize) -> String {
    format!("{number:012}")
}

/// The id of the record of these digits (or of the word that stands for some).
pub(crate) fn id(digits: &str) -> String {
    format!("vm-{digits}")
}

/// A record of about 300 bytes, as it stands in a batch of `/v1`.
pub(crate) fn native(digits: &str, role: Role) -> String {
    let (id, role) = (id(digits), role.as_str());
    let who = format!(r#""id":"{id}","name":"worker-{digits}","role":"{role}""#);
    let lease = format!(r#""registered_by":"bench","ttl_ms":{TTL_MS}"#);
    format!(r#"{{{who},"address":"{id}.vm.example.net:8080",{DOCUMENT},{lease}}}"#)
}

/// The same as `POST /registry/vms` wants it, and as other stores are given it.
pub(crate) fn vers(digits: &str, role: Role) -> String {
    let (id, role) = (id(digits), role.as_str());
    let who = format!(r#""id":"{id}","name":"worker-{digits}","role":"{role}","status":"running""#);
    let by = r#""registeredBy":"bench""#;
    format!(r#"{{{who},"address":"{id}.vm.example.net:8080",{DOCUMENT},{by}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_as_many_as_it_says() {
        for records in [1_000, 12_000, 100_000] {
            let population = Population { records };
            for role in [Role::Rare, Role::Frequent, Role::Common] {
                let found = population.numbers().filter(|n| population.role(*n) == role).count();
                assert_eq!(found, population.count(role), "{role:?} of {records}");
            }
        }
    }
}
