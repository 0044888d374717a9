//! ServiceAccount tokens that this server issued.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    object::{GroupResource, Key, Meta},
    store::Store,
    user::User,
};

/// Maximum number of tokens; a full table drops the token that expires first.
const CAPACITY: usize = 10_000;

#[derive(Default)]
pub struct Tokens(HashMap<String, Token>);

/// The owner and the expiry of a token.
pub struct Token {
    pub account: Key,
    /// A new account of the same name has another UID.
    pub uid: String,
    pub expires: Timestamp,
}

impl Tokens {
    /// The user of a valid token.
    pub fn user(&self, store: &Store, token: &str, now: Timestamp) -> Option<User> {
        let Token { account, uid, expires } = self.0.get(token)?;
        let object = store.get(&GroupResource::new("", "serviceaccounts"), account)?;
        let is_valid = now < *expires && object.value().uid() == uid;
        is_valid.then(|| User::service_account(&account.namespace, &account.name, uid))
    }

    pub fn insert(&mut self, secret: String, token: Token, now: Timestamp) {
        if self.0.len() >= CAPACITY {
            self.0.retain(|_, token| now < token.expires);
        }
        if self.0.len() >= CAPACITY
            && let Some(first) = self.0.iter().min_by_key(|(_, token)| token.expires).map(|(secret, _)| secret.clone())
        {
            self.0.remove(&first);
        }
        self.0.insert(secret, token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_table_drops_token_that_expires_first() {
        let (mut tokens, now) = (Tokens::default(), Timestamp::UNIX_EPOCH);
        let token = |seconds: i64| {
            let expires = Timestamp::from_second(seconds).unwrap();
            Token { account: Key::new("ns", "app"), uid: "u".into(), expires }
        };
        for i in 0..CAPACITY as i64 {
            tokens.insert(i.to_string(), token(i + 1), now);
        }
        tokens.insert("new".into(), token(1_000_000), now);
        assert_eq!((tokens.0.len(), tokens.0.contains_key("0")), (CAPACITY, false));
    }
}
