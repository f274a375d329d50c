//! A request as it goes over the wire.

use http::header;

use crate::{fault::Fault, prepared::Prepared, target::Origin, template::Values};

/// Writes a request: head and body in one piece, so that one write sends it.
pub(crate) fn render(
    request: &Prepared,
    origin: &Origin,
    values: &Values,
    to: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut scratch = Vec::new();
    to.clear();
    to.extend_from_slice(request.method.as_str().as_bytes());
    to.push(b' ');
    request.render_path(values, to)?;
    to.extend_from_slice(b" HTTP/1.1\r\n");
    match &request.host {
        Some(template) => {
            let host = Prepared::header_value(&header::HOST, template, values, &mut scratch)?;
            push_field(to, "host", host.as_bytes());
        }
        None => push_field(to, "host", origin.authority.as_bytes()),
    }
    for (name, template) in &request.headers {
        let value = Prepared::header_value(name, template, values, &mut scratch)?;
        push_field(to, name.as_str(), value.as_bytes());
    }
    match &request.body {
        None => {
            if request.declares_empty_body() {
                push_field(to, "content-length", b"0");
            }
            to.extend_from_slice(b"\r\n");
        }
        Some(template) => {
            scratch.clear();
            template.render(values, request.body_escape, &mut scratch);
            push_field(to, "content-length", scratch.len().to_string().as_bytes());
            to.extend_from_slice(b"\r\n");
            to.extend_from_slice(&scratch);
        }
    }
    Ok(())
}

fn push_field(to: &mut Vec<u8>, name: &str, value: &[u8]) {
    to.extend_from_slice(name.as_bytes());
    to.extend_from_slice(b": ");
    to.extend_from_slice(value);
    to.extend_from_slice(b"\r\n");
}
