//! Who may do what in a product. Bindings lie with the users, each in its own record, so that the
//! one rule over several of them, that a product keeps an admin, is mended after the write that
//! would break it.

use std::collections::BTreeMap;

use auth::{Account, Bound, Email, Stored, User, UserCommand};
use fleet::ProductId;
use ledger::{Found, Outcome};
use protocol::{AuthUser, Bind, Code, Role};

use crate::Identity;
use crate::declined::{Declined, Refusal};

const PAGE: usize = 256;

impl Identity {
    /// What a user, named by id or by the address of their password, may do in a product from now
    /// on. Answers them as this product's admins may see them.
    ///
    /// # Errors
    /// There is no such user; it cannot be so; the product would be left without an admin; or the
    /// store is away.
    pub async fn bind(
        &self,
        whom: &str,
        product: &ProductId,
        asked: Bind,
    ) -> Result<AuthUser, Declined> {
        let user = self.named(whom).await?.record;
        let bound =
            asked.role.map(|role| Bound { product_id: product.clone(), role, yolo: asked.yolo });
        let was_admin = user.is_admin_of(product);
        let stays = bound.as_ref().is_some_and(|bound| bound.role == Role::Admin);
        if was_admin && !stays && !self.has_admin(product, Some(&user.id)).await? {
            return Err(last_admin());
        }
        let command = match &bound {
            Some(bound) => UserCommand::Bind(bound.clone()),
            None => UserCommand::Unbind(product.clone()),
        };
        let found = self.change_user(&user.id, &command).await?;
        if was_admin && !stays {
            let former = user.binding(product).cloned().expect("an admin is bound");
            self.keep_an_admin(&user.id, former, bound).await?;
        }
        Ok(found.record.shown_in(product))
    }

    /// Who is bound to a product, by address, as its admins may see them.
    ///
    /// # Errors
    /// The store is away.
    pub async fn users(&self, product: &ProductId) -> Result<Vec<AuthUser>, Declined> {
        let all = self.all_users().await?;
        let bound = all.values().filter(|user| user.binding(product).is_some());
        let mut shown: Vec<_> = bound.map(|user| user.shown_in(product)).collect();
        shown.sort_by(|a, b| (&a.email, &a.id).cmp(&(&b.email, &b.id)));
        Ok(shown)
    }

    /// Keeps somebody out whatever they present, or lets them in again.
    ///
    /// # Errors
    /// There is no such user, or the store is away.
    pub async fn set_disabled(&self, user: &str, disabled: bool) -> Result<(), Declined> {
        let id = self.named(user).await?.record.id.clone();
        let command = if disabled { UserCommand::Disable } else { UserCommand::Enable };
        self.change_user(&id, &command).await.map(|_| ())
    }

    /// Two admins who take each other's role at once both find the other one there. So each looks
    /// again after its own write, and whoever finds none takes theirs back: the later of the two
    /// writes was made before either's last look that found nobody.
    ///
    /// † bound otherwise, not looked again: a product without an admin, which the owner of a host
    /// still is.
    async fn keep_an_admin(
        &self,
        user: &str,
        former: Bound,
        left: Option<Bound>,
    ) -> Result<(), Declined> {
        if self.has_admin(&former.product_id, None).await? {
            return Ok(());
        }
        self.change_user(user, &UserCommand::Restore { former, left }).await?;
        Err(last_admin())
    }

    /// Whether anybody else is left who may do everything there: a person, or who has a token.
    async fn has_admin(
        &self,
        product: &ProductId,
        besides: Option<&str>,
    ) -> Result<bool, Declined> {
        let users = self.all_users().await?;
        let others = |user: &&Stored<User>| besides != Some(user.id.as_str());
        if users.values().filter(others).any(|user| user.is_admin_of(product)) {
            return Ok(true);
        }
        let now = self.now();
        let tokens = self.tokens_of(product).await?;
        Ok(tokens.iter().any(|it| it.record.role == Role::Admin && it.record.is_current(now)))
    }

    async fn named(&self, whom: &str) -> Result<Found<Stored<User>>, Declined> {
        let Ok(email) = Email::read(whom) else { return self.user(whom).await };
        let id = Account::password_id(&email);
        let account = self.accounts.records.get(&id, &id).await?;
        let account = account.ok_or_else(|| Declined::from(Refusal::new(Code::NotFound)))?;
        self.user(&account.record.user_id).await
    }

    async fn change_user(
        &self,
        id: &str,
        command: &UserCommand,
    ) -> Result<Found<Stored<User>>, Declined> {
        let changed = self.users.change(id, id, command).await;
        self.forget();
        match changed? {
            Outcome::Done(found) => Ok(found),
            Outcome::Rejected(why) => Err(why.into()),
        }
    }

    async fn all_users(&self) -> Result<BTreeMap<String, Stored<User>>, Declined> {
        let (mut all, mut cursor) = (BTreeMap::new(), None);
        loop {
            let (items, next) = self.users.records.page_of_all(cursor.as_ref(), PAGE).await?;
            all.extend(items.into_iter().map(|it| (it.record.id.clone(), it.record)));
            match next {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }
}

fn last_admin() -> Declined {
    Refusal::new(Code::Conflict).because("last_admin").into()
}
