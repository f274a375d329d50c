//! Which engine carries the requests: the lean one, unless the scenario asks for
//! what it cannot do.

use karga_core::{Detail, Scenario as _};
use karga_http::{
    BuildError, Engine, HttpScenario, HttpScenarioBuilder, HttpVersion, UnknownEngine,
};

fn plain() -> HttpScenarioBuilder {
    HttpScenario::builder("http://127.0.0.1:1/{{index}}")
}

/// What only reqwest can do, each with its name.
fn beyond_lean() -> [(HttpScenarioBuilder, &'static str); 4] {
    [
        (plain().version(HttpVersion::Http2), "HTTP/2"),
        (plain().redirects(1), "redirects"),
        (plain().cookies(true), "cookies"),
        (plain().proxy("http://127.0.0.1:1"), "a proxy"),
    ]
}

fn chosen(builder: HttpScenarioBuilder) -> (Engine, String) {
    let scenario = builder.build().expect("it can be built");
    let details = scenario.details();
    assert_eq!(details[0].name, "engine");
    (scenario.engine(), details[0].value.clone())
}

#[test]
fn lean_carries_all_that_it_can() {
    for builder in [
        plain(),
        plain().engine(Engine::Lean),
        plain().version(HttpVersion::Http1),
        plain().redirects(0).cookies(false),
        plain().accept_invalid_certificates(true),
        plain().then("https://localhost:1/").preflight(false),
    ] {
        assert_eq!(chosen(builder), (Engine::Lean, "lean".to_owned()));
    }
}

#[test]
fn reqwest_carries_the_rest_and_says_for_what() {
    for (builder, what) in beyond_lean() {
        let (engine, told) = chosen(builder.clone());
        assert_eq!(
            (engine, told),
            (Engine::Reqwest, format!("reqwest (for {what})"))
        );
        // Whoever chose it needs no reason.
        let told = chosen(builder.engine(Engine::Reqwest));
        assert_eq!(told, (Engine::Reqwest, "reqwest".to_owned()));
    }
    let told = chosen(plain().engine(Engine::Reqwest));
    assert_eq!(told, (Engine::Reqwest, "reqwest".to_owned()));
}

#[test]
fn lean_is_refused_what_it_cannot_do() {
    for (builder, asked) in beyond_lean() {
        let error = builder.engine(Engine::Lean).build().unwrap_err();
        let BuildError::Engine { engine, what, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((engine, what), ("lean", asked));
        assert_eq!(
            error.to_string(),
            format!(
                "the lean engine cannot do {asked}: choose Engine::Auto or Engine::Reqwest, or \
                 leave it out"
            )
        );
    }
}

#[test]
fn engines_have_names() {
    assert_eq!(Engine::default(), Engine::Auto);
    for (engine, name, debug) in [
        (Engine::Auto, "auto", "Auto"),
        (Engine::Lean, "lean", "Lean"),
        (Engine::Reqwest, "reqwest", "Reqwest"),
    ] {
        assert_eq!((engine.name(), engine.to_string().as_str()), (name, name));
        assert_eq!(name.parse::<Engine>(), Ok(engine));
        assert_eq!(format!("{engine:?}"), debug);
        assert_eq!(
            format!("{engine:>9}|{engine:<9}"),
            format!("{name:>9}|{name:<9}")
        );
    }
    for text in ["", "Lean", "hyper", "lean "] {
        let unknown: UnknownEngine = text.parse::<Engine>().unwrap_err();
        let told = format!("{text:?} is no engine: choose auto, lean or reqwest");
        assert_eq!(unknown.to_string(), told);
    }
}

#[test]
fn scenarios_show_what_they_are() {
    let builder = plain().name("shop").then("http://127.0.0.1:1/two");
    assert!(format!("{builder:?}").starts_with("HttpScenarioBuilder { name: \"shop\""));
    let scenario = builder.build().unwrap();
    assert_eq!(scenario.name(), "shop");
    assert_eq!(
        format!("{scenario:?}"),
        "HttpScenario { name: \"shop\", engine: Lean, requests: \
         [\"GET http://127.0.0.1:1/{{index}}\", \"GET http://127.0.0.1:1/two\"], .. }"
    );
    assert_eq!(plain().build().unwrap().name(), "http");
    assert_eq!(
        scenario.details(),
        [
            Detail::new("engine", "lean"),
            Detail::new("protocol", "HTTP/1.1")
        ]
    );
}
