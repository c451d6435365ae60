//! Somebody who was recognised, and where that leads. Never says how they were recognised, and
//! knows no route.

use std::collections::{BTreeMap, BTreeSet};

use fleet::{Actor, ActorKind, Capability, FactoryId, ProductId};
use protocol::{Code, Role};

/// Who was recognised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Whoever can read the local token: the owner of this host, who may do everything.
    Owner,
    User(Box<str>),
    /// By the name that it is listed under; the token itself is known to nobody.
    Token(Box<str>),
    /// Of this product: another one may have a factory of the same name.
    Factory(ProductId, FactoryId),
}

/// What somebody may do in one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    pub role: Role,
    /// Whether their jobs may run engines that approve their own tools.
    pub yolo: bool,
}

/// What the credential of a factory is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactoryScope {
    pub factory: FactoryId,
    /// Of what it advertises, only these count; without, all.
    pub capabilities: Option<BTreeSet<Capability>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub who: Who,
    pub bindings: BTreeMap<ProductId, Binding>,
    pub scope: Option<FactoryScope>,
}

/// A principal within the one product that a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub who: Who,
    pub product: ProductId,
    pub role: Role,
    pub yolo: bool,
    pub scope: Option<FactoryScope>,
}

/// Why somebody who was recognised may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// They have no such role.
    #[error("the role of this credential does not allow it")]
    Role,
    /// They have several products, or none, and named none of them.
    #[error("this credential is bound to no product, or to several and none was named")]
    Unnamed,
    /// It is another's: product, or factory.
    #[error("this credential is bound to another product or factory")]
    Scope,
}

impl Denied {
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Role | Self::Unnamed => Code::Forbidden,
            Self::Scope => Code::OutOfScope,
        }
    }
}

impl Principal {
    /// The owner of a host, in the product that its door serves.
    #[must_use]
    pub fn owner(product: &ProductId) -> Self {
        let binding = Binding { role: Role::Admin, yolo: true };
        let bindings = BTreeMap::from([(product.clone(), binding)]);
        Self { who: Who::Owner, bindings, scope: None }
    }

    /// Where they stand in the product that they name, or in their only one.
    ///
    /// # Errors
    /// It is none of theirs, or they named none and have not exactly one.
    pub fn within(&self, named: Option<&str>) -> Result<Standing, Denied> {
        let mut theirs = self.bindings.iter();
        let found = match named {
            Some(named) => theirs.find(|(product, _)| product.as_str() == named),
            None if self.bindings.len() == 1 => theirs.next(),
            None => return Err(Denied::Unnamed),
        };
        let (product, binding) = found.ok_or(Denied::Scope)?;
        let (who, scope) = (self.who.clone(), self.scope.clone());
        Ok(Standing {
            who,
            product: product.clone(),
            role: binding.role,
            yolo: binding.yolo,
            scope,
        })
    }
}

impl Standing {
    /// Whether one of these roles is theirs.
    ///
    /// # Errors
    /// None is.
    pub fn needs(&self, roles: &[Role]) -> Result<(), Denied> {
        let enough = |needed: &Role| self.role.includes(*needed);
        let all = self.who == Who::Owner;
        if all || roles.iter().any(enough) { Ok(()) } else { Err(Denied::Role) }
    }

    /// Whether they may speak as this factory.
    ///
    /// # Errors
    /// They are another factory, or none.
    pub fn speaks_as(&self, factory: &FactoryId) -> Result<(), Denied> {
        match &self.scope {
            Some(scope) if scope.factory == *factory => Ok(()),
            Some(_) => Err(Denied::Scope),
            None if self.who == Who::Owner => Ok(()),
            None => Err(Denied::Role),
        }
    }

    /// As events and audit entries name them.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match &self.who {
            Who::Owner => Actor { kind: ActorKind::User, id: "local".to_owned() },
            Who::User(id) => Actor { kind: ActorKind::User, id: id.to_string() },
            Who::Token(id) => Actor { kind: ActorKind::Token, id: id.to_string() },
            Who::Factory(_, id) => Actor::factory(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(name: &str) -> ProductId {
        name.parse().unwrap()
    }

    fn user(bound: &[(&str, Role)]) -> Principal {
        let binding = |role| Binding { role, yolo: false };
        let bound = bound.iter().map(|(name, role)| (product(name), binding(*role)));
        Principal { who: Who::User("u_1".into()), bindings: bound.collect(), scope: None }
    }

    fn factory(name: &str) -> Standing {
        let id: FactoryId = name.parse().unwrap();
        let scope = FactoryScope { factory: id.clone(), capabilities: None };
        Principal {
            who: Who::Factory(product("shop"), id),
            bindings: user(&[("shop", Role::Factory)]).bindings,
            scope: Some(scope),
        }
        .within(None)
        .unwrap()
    }

    #[test]
    fn a_product_is_named_or_the_only_one() {
        let one = user(&[("shop", Role::Viewer)]);
        assert_eq!(one.within(None).unwrap().product, product("shop"));
        assert_eq!(one.within(Some("bank")), Err(Denied::Scope));
        let two = user(&[("shop", Role::Viewer), ("bank", Role::Admin)]);
        assert_eq!(two.within(None), Err(Denied::Unnamed));
        assert_eq!(two.within(Some("bank")).unwrap().role, Role::Admin);
        assert_eq!(user(&[]).within(None), Err(Denied::Unnamed));
    }

    #[test]
    fn each_role_includes_the_one_before_it_and_a_factory_stands_apart() {
        let line = [Role::Viewer, Role::Producer, Role::Operator, Role::Admin];
        for (at, role) in line.into_iter().enumerate() {
            let standing = user(&[("shop", role)]).within(None).unwrap();
            for (needed_at, needed) in line.into_iter().enumerate() {
                assert_eq!(
                    standing.needs(&[needed]).is_ok(),
                    needed_at <= at,
                    "{role:?} {needed:?}"
                );
            }
            assert_eq!(standing.needs(&[Role::Factory]), Err(Denied::Role));
        }
        let factory = factory("f1");
        assert_eq!(factory.needs(&line), Err(Denied::Role));
        assert_eq!(factory.needs(&[Role::Factory]), Ok(()));
    }

    #[test]
    fn a_factory_speaks_for_itself_alone() {
        let (one, other) = ("f1".parse().unwrap(), "f2".parse().unwrap());
        assert_eq!(factory("f1").speaks_as(&one), Ok(()));
        assert_eq!(factory("f1").speaks_as(&other), Err(Denied::Scope));
        let admin = user(&[("shop", Role::Admin)]).within(None).unwrap();
        assert_eq!(admin.speaks_as(&one), Err(Denied::Role));
        let owner = Principal::owner(&product("shop")).within(None).unwrap();
        assert_eq!(owner.speaks_as(&one), Ok(()));
        assert_eq!(owner.needs(&[Role::Factory]), Ok(()));
    }
}
