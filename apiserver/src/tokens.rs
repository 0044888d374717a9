//! The tokens of ServiceAccounts that this server has issued.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    object::{GroupResource, Key, Meta},
    store::Store,
    user::User,
};

/// More are not kept: the one that would expire first goes.
const CAPACITY: usize = 10_000;

/// See the module.
#[derive(Default)]
pub struct Tokens(HashMap<String, Token>);

/// What a token stands for.
pub struct Token {
    pub account: Key,
    /// A new account of the same name is another one.
    pub uid: String,
    pub expires: Timestamp,
}

impl Tokens {
    /// Whose token it is, if it is still good.
    pub fn user(&self, store: &Store, token: &str, now: Timestamp) -> Option<User> {
        let Token { account, uid, expires } = self.0.get(token)?;
        let object = store.get(&GroupResource::new("", "serviceaccounts"), account)?;
        let is_good = now < *expires && object.value().uid() == uid;
        is_good.then(|| User::service_account(&account.namespace, &account.name, uid))
    }

    pub fn insert(&mut self, word: String, token: Token, now: Timestamp) {
        if self.0.len() >= CAPACITY {
            self.0.retain(|_, token| now < token.expires);
        }
        if self.0.len() >= CAPACITY
            && let Some(first) = self.0.iter().min_by_key(|(_, token)| token.expires).map(|(word, _)| word.clone())
        {
            self.0.remove(&first);
        }
        self.0.insert(word, token);
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
