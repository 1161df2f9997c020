//! One router, spoken to directly: no retries, no other router, every answer as it came.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dnc_core::number::PhoneNumber;
use dnc_core::tenant::DEFAULT_TENANT;
use dnc_core::verdict::{Cause, Verdict};
use dnc_proto::v1;
use dnc_proto::v1::check_service_client::CheckServiceClient;
use dnc_proto::v1::registry_service_client::RegistryServiceClient;
use dnc_proto::v1::suppression_service_client::SuppressionServiceClient;
use dnc_proto::v1::tenant_service_client::TenantServiceClient;
use dnc_proto::v1::version_service_client::VersionServiceClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

use crate::cluster::{Cluster, url};
use crate::numbers::ListFile;

/// How long a call may take. Imports have their own limit.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// How long an import may take.
const IMPORT_LIMIT: Duration = Duration::from_secs(120);

/// Metadata that names the tenant of a call.
const TENANT_KEY: &str = "x-dnc-tenant";

/// Bytes of a file in one message.
const CHUNK: usize = 64 << 10;

/// A connection to one router.
#[derive(Clone, Debug)]
pub struct Router {
    channel: Channel,
}

/// A file to import: its name and its bytes, whatever they are.
#[derive(Clone, Debug)]
pub struct Upload {
    /// File name.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

// === impl Upload ===

impl Upload {
    /// A file of these bytes.
    pub fn new(name: &str, bytes: impl Into<Vec<u8>>) -> Upload {
        Upload { name: name.into(), bytes: bytes.into() }
    }
}

impl From<ListFile> for Upload {
    fn from(file: ListFile) -> Upload {
        Upload { name: file.name, bytes: file.text.into_bytes() }
    }
}

// === impl Router ===

impl Router {
    /// Connects to a router.
    pub async fn connect(address: SocketAddr) -> Result<Router> {
        let channel = Endpoint::from_shared(url(address))?
            .connect_timeout(Duration::from_secs(5))
            .connect()
            .await
            .with_context(|| format!("connect to the router at {address}"))?;
        Ok(Router { channel })
    }

    /// The connection, for other services.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Checks what may or may not be a number.
    pub async fn check_text(&self, phone_number: &str) -> Result<v1::CheckResponse, Status> {
        let request = v1::CheckRequest { phone_number: phone_number.into(), ..v1::CheckRequest::default() };
        let mut client = CheckServiceClient::new(self.channel());
        Ok(client.check(timed(request)).await?.into_inner())
    }

    /// Checks a number.
    pub async fn check(&self, number: PhoneNumber) -> Result<Verdict> {
        let response = self.check_text(&number.to_string()).await?;
        if response.phone_number != number.to_string() {
            bail!("the answer is about another number");
        }
        verdict(&response)
    }

    /// Checks several of what may or may not be numbers.
    pub async fn bulk(&self, phone_numbers: &[String]) -> Result<v1::BulkCheckResponse, Status> {
        self.bulk_for(DEFAULT_TENANT, phone_numbers).await
    }

    /// The same for a tenant.
    pub async fn bulk_for(&self, tenant: &str, phone_numbers: &[String]) -> Result<v1::BulkCheckResponse, Status> {
        let item = |(at, phone_number): (usize, &String)| v1::BulkItem {
            phone_number: phone_number.clone(),
            correlation_id: at.to_string(),
        };
        let items = phone_numbers.iter().enumerate().map(item).collect();
        let request = v1::BulkCheckRequest { items, ..v1::BulkCheckRequest::default() };
        let mut request = timed(request);
        let tenant = tenant.parse().map_err(|_| Status::invalid_argument("a tenant's name is plain text"))?;
        request.metadata_mut().insert(TENANT_KEY, tenant);
        let mut client = CheckServiceClient::new(self.channel()).max_decoding_message_size(64 << 20);
        Ok(client.bulk_check(request).await?.into_inner())
    }

    /// Suppresses a number in a live registry; `internal` if the name is empty.
    pub async fn suppress(&self, phone_number: &str, registry: &str) -> Result<v1::AddSuppressionResponse, Status> {
        let request = v1::AddSuppressionRequest {
            phone_number: phone_number.into(),
            registry: registry.into(),
            reason: "asked not to be called".into(),
            added_by: "tests".into(),
            ..v1::AddSuppressionRequest::default()
        };
        let mut client = SuppressionServiceClient::new(self.channel());
        Ok(client.add_suppression(timed(request)).await?.into_inner())
    }

    /// Releases all suppressions of a number; `internal` if the name is empty.
    pub async fn release(&self, phone_number: &str, registry: &str) -> Result<v1::RemoveSuppressionResponse, Status> {
        let request = v1::RemoveSuppressionRequest {
            phone_number: phone_number.into(),
            registry: registry.into(),
            reason: "entered by mistake".into(),
            removed_by: "tests".into(),
            ..v1::RemoveSuppressionRequest::default()
        };
        let mut client = SuppressionServiceClient::new(self.channel());
        Ok(client.remove_suppression(timed(request)).await?.into_inner())
    }

    /// Adds a tenant that needs no registry to cover its numbers; one that exists already is as good.
    pub async fn create_tenant(&self, name: &str) -> Result<(), Status> {
        let request = v1::CreateTenantRequest { name: name.into(), ..v1::CreateTenantRequest::default() };
        match TenantServiceClient::new(self.channel()).create_tenant(timed(request)).await {
            Err(status) if status.code() != Code::AlreadyExists => Err(status),
            _ => Ok(()),
        }
    }

    /// All registries.
    pub async fn registries(&self) -> Result<v1::ListRegistriesResponse, Status> {
        let mut client = RegistryServiceClient::new(self.channel());
        Ok(client.list_registries(timed(v1::ListRegistriesRequest {})).await?.into_inner())
    }

    /// Adds a registry.
    pub async fn create_registry(&self, name: &str, kind: &str) -> Result<v1::Registry, Status> {
        let request = v1::CreateRegistryRequest {
            name: name.into(),
            r#type: kind.into(),
            jurisdiction: "US".into(),
            ..v1::CreateRegistryRequest::default()
        };
        let mut client = RegistryServiceClient::new(self.channel());
        Ok(client.create_registry(timed(request)).await?.into_inner())
    }

    /// Makes the version before the active one of a registry active again.
    pub async fn rollback(&self, registry: &str) -> Result<v1::ActivateVersionResponse, Status> {
        let request = v1::RollbackRegistryRequest { registry: registry.into(), from: 0 };
        let mut request = timed(request);
        request.set_timeout(IMPORT_LIMIT);
        let mut client = VersionServiceClient::new(self.channel());
        Ok(client.rollback_registry(request).await?.into_inner())
    }

    /// Imports files into a registry; what they do not declare themselves is taken from the header.
    pub async fn import(&self, header: v1::ImportHeader, files: &[Upload]) -> Result<v1::ImportResult, Status> {
        self.import_parts(parts(header, files)).await
    }

    /// Sends the parts of an import as they are, in any order.
    pub async fn import_parts(&self, parts: Vec<v1::import_request::Part>) -> Result<v1::ImportResult, Status> {
        result_of(self.begin_import(parts).await?).await
    }

    /// Begins an import, and comes back as soon as it has reached a phase; see [`result_of`] for its end.
    pub async fn import_reaching(
        &self,
        header: v1::ImportHeader,
        files: &[Upload],
        phase: v1::ImportPhase,
    ) -> Result<Streaming<v1::ImportEvent>, Status> {
        let mut events = self.begin_import(parts(header, files)).await?;
        while let Some(event) = events.message().await? {
            match event.event {
                Some(v1::import_event::Event::Progress(now)) if now.phase() >= phase => return Ok(events),
                Some(v1::import_event::Event::Result(_)) => break,
                Some(v1::import_event::Event::Progress(_)) | None => {}
            }
        }
        Err(Status::internal("the import ended before it reached the phase"))
    }

    async fn begin_import(&self, parts: Vec<v1::import_request::Part>) -> Result<Streaming<v1::ImportEvent>, Status> {
        let requests = parts.into_iter().map(|part| v1::ImportRequest { part: Some(part) });
        let mut request = tonic::Request::new(tokio_stream::iter(requests.collect::<Vec<_>>()));
        request.set_timeout(IMPORT_LIMIT);
        let mut client = RegistryServiceClient::new(self.channel());
        Ok(client.import(request).await?.into_inner())
    }
}

/// The result of an import that was begun.
pub async fn result_of(mut events: Streaming<v1::ImportEvent>) -> Result<v1::ImportResult, Status> {
    while let Some(event) = events.message().await? {
        if let Some(v1::import_event::Event::Result(result)) = event.event {
            return Ok(result);
        }
    }
    Err(Status::internal("the import ended without a result"))
}

/// The parts of an import in their order.
pub fn parts(header: v1::ImportHeader, files: &[Upload]) -> Vec<v1::import_request::Part> {
    use v1::import_request::Part;
    let mut parts = vec![Part::Header(header)];
    for file in files {
        parts.push(Part::File(v1::ImportFile { name: file.name.clone() }));
        parts.extend(file.bytes.chunks(CHUNK).map(|chunk| Part::Chunk(chunk.to_vec().into())));
    }
    parts
}

/// The verdict of an answer; an error if there is none.
pub fn verdict(response: &v1::CheckResponse) -> Result<Verdict> {
    if let Some(error) = &response.error {
        bail!("{}: {}", error.code, error.message);
    }
    let verdict = match response.verdict() {
        v1::Verdict::Clear => Verdict::Clear,
        v1::Verdict::Listed => Verdict::Listed,
        v1::Verdict::Unknown => Verdict::Unknown(match response.unknown_cause() {
            v1::UnknownCause::NotCovered => Cause::NotCovered,
            v1::UnknownCause::Stale => Cause::Stale,
            v1::UnknownCause::Unavailable => Cause::Unavailable,
            v1::UnknownCause::Unspecified => bail!("UNKNOWN without a cause"),
        }),
        v1::Verdict::Unspecified => bail!("an answer without a verdict"),
    };
    if response.may_call != (verdict == Verdict::Clear) {
        bail!("may_call is {} for {verdict:?}", response.may_call);
    }
    Ok(verdict)
}

/// The header of an import into a registry.
pub fn into_registry(registry: &str) -> v1::ImportHeader {
    v1::ImportHeader { registry: registry.into(), ..v1::ImportHeader::default() }
}

fn timed<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(CALL_LIMIT);
    request
}

// === impl Cluster ===

impl Cluster {
    /// A connection to one of the routers.
    pub async fn router(&self, index: usize) -> Result<Router> {
        Router::connect(self.routers[index].grpc).await
    }

    /// Imports list files into the federal registry through the first router.
    pub async fn import(&self, files: &[ListFile]) -> Result<v1::ImportResult> {
        let files: Vec<Upload> = files.iter().cloned().map(Upload::from).collect();
        let router = self.router(0).await?;
        router.import(into_registry("federal"), &files).await.context("import the sample lists")
    }
}
