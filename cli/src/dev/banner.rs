//! What `dnc dev` says once it is ready.

use std::net::SocketAddr;
use std::path::Path;

/// Where clients look when they are not told: no need to tell them then.
const USUAL_GRPC: &str = "127.0.0.1:7400";

/// Addresses, and what to try next. The lines that begin with `gRPC` and `HTTP` are for scripts too: they do not change.
pub fn text(folder: &Path, grpc: SocketAddr, http: SocketAddr) -> String {
    let folder = folder.display();
    let router = match grpc.to_string() {
        usual if usual == USUAL_GRPC => String::new(),
        other => format!("  export DNC_ROUTER=http://{other}\n"),
    };
    format!(
        "\
ready: three meta voters, three nodes and a router, data in {folder}

  gRPC  http://{grpc}
  HTTP  http://{http}   (also /metrics, /healthz, /readyz)

try next:
{router}  dnc registry list
  dnc import --list-date $(date -u +%F) docs/samples/*_201_*.txt
  dnc check 201-555-0100 201-555-0123
  curl http://{http}/api/v1/dnc/check/2015550100
  dnc suppress add 201-555-0123 --reason \"asked by phone\" --added-by me

Ctrl-C stops it; the data stays."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_where_the_router_is_only_when_they_need_to_be() {
        let http = "127.0.0.1:7480".parse().unwrap();
        let usual = text(Path::new("data"), USUAL_GRPC.parse().unwrap(), http);
        assert!(!usual.contains("DNC_ROUTER"), "{usual}");
        let other = text(Path::new("data"), "127.0.0.1:9".parse().unwrap(), http);
        assert!(other.contains("DNC_ROUTER=http://127.0.0.1:9"), "{other}");
    }
}
