//! The part of a letter for those who read HTML.

/// What a letter shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    pub(super) title: &'a str,
    pub(super) message: Option<&'a str>,
    pub(super) time: &'a str,
    /// An http or https address.
    pub(super) link: Option<&'a str>,
}

/// A whole document; small, in the reader's own colours, and with nothing loaded from elsewhere.
pub(super) fn page(shown: &Shown<'_>) -> String {
    let title = escaped(shown.title);
    let message = shown.message.map_or_else(String::new, |message| {
        let lines = escaped(message).replace("\r\n", "\n").replace('\n', "<br>\n");
        format!("<p style=\"margin:0 0 16px\">{lines}</p>\n")
    });
    let link = shown.link.map(escaped).map_or_else(String::new, |link| {
        format!(
            "<p style=\"margin:0 0 16px;word-break:break-all\"><a href=\"{link}\">{link}</a></p>\n"
        )
    });
    let time = escaped(shown.time);
    let body = format!(
        "<h1 style=\"font-size:20px;margin:0 0 12px\">{title}</h1>\n{message}{link}\
         <p style=\"margin:0;font-size:13px;opacity:.7\">{time}</p>\n"
    );
    format!(
        "<!doctype html>\n<html><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"supported-color-schemes\" content=\"light dark\">\n<title>{title}</title></head>\n\
         <body style=\"margin:0;padding:24px;font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif\">\n\
         <div style=\"max-width:560px;margin:0 auto\">\n{body}</div>\n</body></html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_published_cannot_become_markup() {
        let page = page(&Shown {
            title: "<script>alert('1')</script>",
            message: Some("a & b\n<img src=x onerror=\"y\">"),
            time: "2026-01-02",
            link: Some("https://example.com/?a=1&b='\"><b>"),
        });
        for bad in ["<script", "<img", "<b>", "'\"", "onerror=\""] {
            assert!(!page.contains(bad), "{bad}: {page}");
        }
        assert!(page.contains("a &amp; b<br>\n&lt;img"), "{page}");
        assert!(page.contains("href=\"https://example.com/?a=1&amp;b=&#39;&quot;&gt;&lt;b&gt;\""));
    }
}
