//! Tokens of programs and factories: issued, replaced, revoked. The token itself is drawn here,
//! said once, and kept nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use auth::{Credential, FactoryScope, LONGEST_GRACE, Stored, Token, TokenCommand, Wanted, is_name};
use fleet::{Capability, FactoryId, ProductId, Timestamp};
use ledger::{Found, Made, Outcome};
use protocol::{
    Code, EnrollFactory, Enrolled, IssueToken, Issued, Role, RotateToken, Secret, TokenShown,
};

use crate::Identity;
use crate::declined::{Declined, Refusal};

const GRACE: Duration = Duration::from_mins(10);
/// As many as a factory may advertise.
const MOST_CAPABILITIES: usize = 256;
const PAGE: usize = 256;
/// A pass of revoking finds what the former one was overtaken by; two are enough but for somebody
/// who keeps enrolling meanwhile.
const PASSES: u32 = 4;

impl Identity {
    /// # Errors
    /// It cannot be so, or the store is away.
    pub async fn issue(&self, product: &ProductId, asked: IssueToken) -> Result<Issued, Declined> {
        if asked.role == Role::Factory {
            let why = "a factory is enrolled, not issued a token".to_owned();
            return Err(Refusal::of("role", "no_factory", why).into());
        }
        if !is_name(&asked.name) {
            return Err(bad_name().into());
        }
        self.check_expiry(asked.expires_at)?;
        let wanted = Wanted {
            product: product.clone(),
            name: asked.name,
            role: asked.role,
            yolo: asked.yolo,
            scope: None,
            expires_at: asked.expires_at,
        };
        let (token, made) = self.make_token(wanted).await?;
        Ok(Issued { token, shown: made.shown() })
    }

    /// All of a product's tokens, the newest first, without what they are.
    ///
    /// # Errors
    /// The store is away.
    pub async fn tokens(&self, product: &ProductId) -> Result<Vec<TokenShown>, Declined> {
        let mut all: Vec<_> =
            self.tokens_of(product).await?.iter().map(|found| found.record.shown()).collect();
        all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(all)
    }

    /// Here at once, elsewhere within seconds. Repeated, it changes nothing.
    ///
    /// # Errors
    /// The product has no such token, or the store is away.
    pub async fn revoke_token(&self, product: &ProductId, id: &str) -> Result<(), Declined> {
        let not_found = || Declined::from(Refusal::new(Code::NotFound));
        if !is_id(id) {
            return Err(not_found());
        }
        let found = self.tokens.records.get(id, id).await?;
        found.filter(|found| found.record.head.product_id == *product).ok_or_else(not_found)?;
        self.revoke(id).await
    }

    /// # Errors
    /// It cannot be so, or the store is away.
    pub async fn enroll(
        &self,
        product: &ProductId,
        asked: EnrollFactory,
    ) -> Result<Enrolled, Declined> {
        self.check_expiry(asked.expires_at)?;
        if asked.capabilities.as_ref().is_some_and(|some| some.len() > MOST_CAPABILITIES) {
            let why = format!("a factory has at most {MOST_CAPABILITIES} capabilities");
            return Err(Refusal::of("capabilities", "too_many", why).into());
        }
        let capabilities = asked.capabilities.map(BTreeSet::from_iter);
        let scope = FactoryScope { factory: asked.factory_id, capabilities };
        let wanted = of_factory(product, scope, asked.expires_at);
        let (token, made) = self.make_token(wanted).await?;
        Ok(enrolled(token, &made))
    }

    /// Another token for a factory, good for what its newest was; that one stays good for a while.
    ///
    /// The order is: the new token is made, known to nobody; the old one says that it was replaced
    /// by it, which is where two who replace at once, or one who revokes, are decided; then the new
    /// one is told.
    ///
    /// # Errors
    /// It has no good token, another one replaced or revoked it meanwhile, or the store is away.
    pub async fn rotate(
        &self,
        product: &ProductId,
        factory: &FactoryId,
        asked: RotateToken,
    ) -> Result<Enrolled, Declined> {
        let grace = asked.grace_sec.map_or(GRACE, |sec| Duration::from_secs(sec.into()));
        if grace > LONGEST_GRACE {
            let why = format!("at most {} seconds", LONGEST_GRACE.as_secs());
            return Err(Refusal::of("graceSec", "out_of_range", why).into());
        }
        let now = self.now();
        let mut current = self.tokens_of_factory(product, factory).await?;
        current.retain(|found| found.record.is_current(now));
        current.sort_by_key(|found| (found.record.head.created_at, found.record.id.clone()));
        let Some(newest) = current.pop() else {
            return Err(Refusal::new(Code::NotFound).because("not_enrolled").into());
        };
        let scope = newest.record.scope().expect("a factory's token has its scope");
        let wanted = of_factory(product, scope, newest.record.expires_at);
        let (token, made) = self.make_token(wanted).await?;
        // † made, not told: a token that nobody has; it is listed, and goes when the factory's do.
        let replace = TokenCommand::Replace { by: made.id.clone(), grace };
        if let Err(declined) = self.change_token(&newest.record.id, &replace).await {
            self.revoke(&made.id).await?;
            return Err(declined);
        }
        // † replaced, others not: they stay good until they are replaced in turn, or revoked.
        for other in current {
            self.change_token(&other.record.id, &replace).await?;
        }
        self.forget();
        Ok(enrolled(token, &made))
    }

    /// All tokens of a factory, those in their grace too. What it holds goes on until its leases
    /// end.
    ///
    /// # Errors
    /// It never had one, or the store is away.
    pub async fn revoke_factory(
        &self,
        product: &ProductId,
        factory: &FactoryId,
    ) -> Result<(), Declined> {
        for pass in 0..PASSES {
            let found = self.tokens_of_factory(product, factory).await?;
            if pass == 0 && found.is_empty() {
                return Err(Refusal::new(Code::NotFound).because("not_enrolled").into());
            }
            let good: Vec<_> =
                found.iter().filter(|found| found.record.revoked_at.is_none()).collect();
            // A replacement made meanwhile was there before the old token said so, hence is seen
            // by the next pass if the old one could still say it.
            if good.is_empty() {
                return Ok(());
            }
            for token in good {
                self.revoke(&token.record.id).await?;
            }
        }
        Err(Refusal::new(Code::ConcurrentUpdate).into())
    }

    pub(crate) async fn make_token(
        &self,
        wanted: Wanted,
    ) -> Result<(Secret, Stored<Token>), Declined> {
        let secret = Credential::Token.mint(self.ids.entropy());
        match self.tokens.make(Token::new(&secret, wanted, self.now())).await? {
            Made::New(found) => Ok((secret, found.record)),
            // 128 bits of a digest were met twice: the source of chance is broken.
            Made::There(_) => Err(Refusal::new(Code::Internal).into()),
        }
    }

    async fn revoke(&self, id: &str) -> Result<(), Declined> {
        let revoked = self.change_token(id, &TokenCommand::Revoke).await;
        self.forget();
        revoked
    }

    async fn change_token(&self, id: &str, command: &TokenCommand) -> Result<(), Declined> {
        match self.tokens.change(id, id, command).await? {
            Outcome::Done(_) => Ok(()),
            Outcome::Rejected(why) => Err(why.into()),
        }
    }

    async fn tokens_of_factory(
        &self,
        product: &ProductId,
        factory: &FactoryId,
    ) -> Result<Vec<Found<Stored<Token>>>, Declined> {
        let mut all = self.tokens_of(product).await?;
        all.retain(|found| found.record.factory_id.as_ref() == Some(factory));
        Ok(all)
    }

    /// Tokens lie each by themselves, so that presenting one is one read; listing looks at all.
    pub(crate) async fn tokens_of(
        &self,
        product: &ProductId,
    ) -> Result<Vec<Found<Stored<Token>>>, Declined> {
        // A scan may show one twice, and the later reading is the newer one.
        let mut all = BTreeMap::new();
        let mut cursor = None;
        loop {
            let (items, next) = self.tokens.records.page_of_all(cursor.as_ref(), PAGE).await?;
            let ours = items.into_iter().filter(|it| it.record.head.product_id == *product);
            all.extend(ours.map(|found| (found.record.id.clone(), found)));
            match next {
                Some(next) => cursor = Some(next),
                None => return Ok(all.into_values().collect()),
            }
        }
    }

    fn check_expiry(&self, expires: Option<Timestamp>) -> Result<(), Refusal> {
        if expires.is_some_and(|expires| expires <= self.now()) {
            let why = "it would have expired already".to_owned();
            return Err(Refusal::of("expiresAt", "out_of_range", why));
        }
        Ok(())
    }
}

pub(crate) fn bad_name() -> Refusal {
    let why = "a name has 1 to 128 printable characters, without space at either end";
    Refusal::of("name", "bad_value", why.to_owned())
}

/// What cannot be an id must not become a key.
pub(crate) fn is_id(text: &str) -> bool {
    store::check_part("id", text).is_ok()
}

fn of_factory(product: &ProductId, scope: FactoryScope, expires_at: Option<Timestamp>) -> Wanted {
    Wanted {
        product: product.clone(),
        name: scope.factory.to_string(),
        role: Role::Factory,
        yolo: false,
        scope: Some(scope),
        expires_at,
    }
}

fn enrolled(token: Secret, made: &Token) -> Enrolled {
    let factory_id = made.factory_id.clone().expect("it was made for a factory");
    let capabilities: Vec<Capability> = made.capabilities.clone().unwrap_or_default();
    Enrolled { token, factory_id, capabilities, expires_at: made.expires_at }
}
