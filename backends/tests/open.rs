//! What a store URL may say, and what is answered to one that is wrong.

#![allow(clippy::unwrap_used, reason = "a failing test is what it is for")]

use backends::open;

async fn refusal(url: &str) -> String {
    open(url).await.err().unwrap_or_else(|| panic!("{url} is refused")).to_string()
}

#[cfg(feature = "sled")]
#[tokio::test]
async fn memory_forgets_and_sled_does_not() {
    let home = tempfile::tempdir().unwrap();
    let sled = format!("sled:{}/a/b/c?cache-mib=16&compact-ratio=5", home.path().display());
    assert!(!open("memory:").await.unwrap().capabilities().durable);
    assert!(open(&sled).await.unwrap().capabilities().durable);
}

#[tokio::test]
async fn an_unknown_store_is_told_the_known_ones() {
    for url in ["redis://localhost", "floppy:a", "./data", ""] {
        let text = refusal(url).await;
        assert!(text.ends_with("there are memory:, sled:PATH and fjall:PATH"), "{text}");
    }
}

#[cfg(feature = "sled")]
#[tokio::test]
async fn a_url_without_a_directory_is_shown_one() {
    for url in ["sled:", "sled:?cache-mib=1", "sled://data"] {
        let text = refusal(url).await;
        assert!(text.contains("sled:./data"), "{text}");
    }
    assert!(refusal("memory:x").await.contains("nothing"));
}

#[cfg(feature = "sled")]
#[tokio::test]
async fn an_unknown_parameter_is_told_the_known_ones() {
    for name in ["cache", "Cache-mib", "if_unreadable", "x="] {
        let text = refusal(&format!("sled:./never-made?{name}")).await;
        assert!(text.contains("if-unreadable, cache-mib, compact-above-mib"), "{text}");
    }
}

#[cfg(feature = "sled")]
#[tokio::test]
async fn a_wrong_value_is_told_what_is_right() {
    let wrong = [
        ("if-unreadable=delete", "refuse or move-aside"),
        ("if-unreadable", "refuse or move-aside"),
        ("cache-mib=0", "from 1"),
        ("cache-mib=-1", "from 1"),
        ("cache-mib=many", "from 1"),
        ("compact-above-mib=99999999999999999999", "from 1"),
        ("compact-ratio=1", "from 2"),
    ];
    for (parameter, expected) in wrong {
        let text = refusal(&format!("sled:./never-made?{parameter}")).await;
        assert!(text.contains(expected), "{text}");
    }
    assert!(!std::path::Path::new("./never-made").exists());
}

#[cfg(not(feature = "sled"))]
#[tokio::test]
async fn a_store_that_was_not_built_says_how_to_build_it() {
    assert!(refusal("sled:./data").await.contains("build with the feature sled"));
}
