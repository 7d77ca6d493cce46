use super::kind::Kind;
use super::{PubSub, Reader, Redis, Refused};

/// What stands for the user in a channel name.
const PLACEHOLDER: &str = "{user_id}";

/// Names of the channels publishers use.
#[derive(Clone, Debug)]
pub struct Channels {
    /// Contains `{user_id}` exactly once.
    pub user: String,
    /// Equals no user's channel under [`user`](Self::user).
    pub broadcast: String,
}

/// Raw options of [`Channels`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Channels")]
pub struct ChannelsArgs {
    /// Channel of one user; `{user_id}` stands for the user and must occur once.
    ///
    /// Nothing else is replaced, so `user:{{user_id}}:notifications` gives a hash tag.
    #[arg(
        long,
        env = "CAMPANILE_CHANNEL",
        value_name = "TEMPLATE",
        default_value = "user:{user_id}:notifications"
    )]
    pub channel: String,

    /// Channel whose notifications reach every connected user.
    ///
    /// Must not be a channel that some user could have.
    #[arg(
        long,
        env = "CAMPANILE_BROADCAST_CHANNEL",
        value_name = "NAME",
        default_value = "broadcast:notifications"
    )]
    pub broadcast_channel: String,
}

const TEMPLATE: Kind<String> = Kind {
    allowed: "a channel name that contains {user_id} once",
    example: "user:{user_id}:notifications",
    parse: |text| match text.matches(PLACEHOLDER).count() {
        0 => Err("does not contain {user_id}".to_owned()),
        1 => channel_name(text),
        _ => Err("contains {user_id} more than once".to_owned()),
    },
};

const NAME: Kind<String> = Kind {
    allowed: "a channel name without white space that no user's channel can equal",
    example: "broadcast:notifications",
    parse: channel_name,
};

fn channel_name(text: &str) -> Result<String, String> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("has white space or control characters".to_owned());
    }
    Ok(text.to_owned())
}

impl ChannelsArgs {
    pub(crate) fn read(&self, reader: &mut Reader) -> Result<Channels, Refused> {
        let user = reader.value("channel", &self.channel, &TEMPLATE);
        let broadcast = reader.value("broadcast-channel", &self.broadcast_channel, &NAME);
        let (user, broadcast) = (user?, broadcast?);
        if let Some(id) = user_in(&user, &broadcast) {
            reader.problem(
                "broadcast-channel",
                format!(
                    "{broadcast:?} is also the channel of the user {id:?} under --channel \
                     (CAMPANILE_CHANNEL) {user:?}; allowed: {}; example: {}",
                    NAME.allowed, NAME.example
                ),
            );
        }
        Ok(Channels { user, broadcast })
    }
}

/// The log's script publishes on the user's channel, and in a cluster it may only touch the log's own slot.
pub(crate) fn check_sharded(
    reader: &mut Reader,
    redis: Option<&Redis>,
    channels: Option<&Channels>,
) {
    let (Some(redis), Some(channels)) = (redis, channels) else { return };
    if redis.pubsub == PubSub::Sharded && !has_user_as_hash_tag(&channels.user) {
        reader.problem(
            "channel",
            format!(
                "the hash tag of {:?} is not the user, as --pubsub (CAMPANILE_PUBSUB) sharded needs \
                 it: a user's channel must be in the slot of the user's inbox; allowed: {{{{user_id}}}} \
                 with no brace before it; example: user:{{{{user_id}}}}:notifications",
                channels.user
            ),
        );
    }
}

fn has_user_as_hash_tag(template: &str) -> bool {
    template.split_once(PLACEHOLDER).is_some_and(|(before, after)| {
        after.starts_with('}')
            && before.strip_suffix('{').is_some_and(|before| !before.contains('{'))
    })
}

/// The user whose channel under `template` is `name`.
fn user_in<'a>(template: &str, name: &'a str) -> Option<&'a str> {
    let (head, tail) = template.split_once(PLACEHOLDER)?;
    name.strip_prefix(head)?.strip_suffix(tail).filter(|user| !user.is_empty())
}
