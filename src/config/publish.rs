use super::kind::{Kind, bytes};
use super::{Reader, Refused, Secret, Setting, secret};

/// The publish API.
#[derive(Clone, Debug, Default)]
pub struct Publish {
    /// Empty: the API is off.
    pub keys: Vec<Secret>,
    /// Largest published notification, in bytes.
    pub max_payload_bytes: usize,
}

/// Raw options of [`Publish`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Publishing")]
pub struct PublishArgs {
    /// Keys that backends send as `Authorization: Bearer` to publish over HTTP, separated by
    /// commas. Default: none, the publish API is off.
    ///
    /// Use 32 random bytes or more. Flags show in the process list, so prefer the variable.
    #[arg(
        long,
        env = "CAMPANILE_PUBLISH_KEYS",
        value_name = "KEYS",
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub publish_keys: Option<Secret>,

    #[command(flatten)]
    pub(crate) payload: PayloadArgs,
}

/// The limit of every lane.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Publishing")]
pub struct PayloadArgs {
    /// Largest published notification, in bytes (or KiB, MiB).
    ///
    /// Larger ones are dropped and counted, or answered with 400.
    #[arg(
        long,
        env = "CAMPANILE_MAX_PAYLOAD_BYTES",
        value_name = "BYTES",
        default_value = "65536"
    )]
    pub max_payload_bytes: String,
}

const KEYS: Kind<Vec<Secret>> = Kind {
    allowed: "keys of visible ASCII characters, separated by commas, none of them empty",
    example: "the output of `openssl rand -hex 32`",
    parse: |text| {
        let keys = secret::list(text)?;
        // Anything else cannot arrive in an `Authorization` header.
        if keys.iter().any(|key| !key.expose().bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err("has a key with white space or characters beyond ASCII".to_owned());
        }
        Ok(keys)
    },
};

const PAYLOAD: Kind<usize> = Kind {
    allowed: "bytes, or a number with KiB or MiB, from 64 to 16MiB",
    example: "65536",
    parse: |text| bytes(text, 64..=16 * 1024 * 1024),
};

impl PublishArgs {
    pub(super) fn read(&self, reader: &mut Reader) -> Result<Publish, Refused> {
        let setting = Setting::new("publish-keys");
        let keys = self
            .publish_keys
            .as_ref()
            .map_or(Ok(Vec::new()), |raw| reader.secret(setting, raw.expose(), &KEYS));
        if let Ok(keys) = &keys {
            secret::warn_if_short(reader, setting, keys);
        }
        let max_payload_bytes = self.payload.read(reader);
        Ok(Publish { keys: keys?, max_payload_bytes: max_payload_bytes? })
    }
}

impl PayloadArgs {
    pub(super) fn read(&self, reader: &mut Reader) -> Result<usize, Refused> {
        reader.value("max-payload-bytes", &self.max_payload_bytes, &PAYLOAD)
    }
}
