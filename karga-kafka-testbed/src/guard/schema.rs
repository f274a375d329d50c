//! The requests that are decoded at all, from the `.json` files beside Kafka's
//! `clients/src/main/resources/common/message`.

use kafka_protocol::messages::ApiKey;

use super::{
    Field, Kind, Kind::Data, Kind::Fixed, Kind::List, Kind::Structs, Kind::Text, Schema, Shape, Tag,
};

/// Field in every version.
const fn all(kind: Kind) -> Field {
    Field(kind, 0, i16::MAX)
}

/// Field in this version and later.
const fn since(version: i16, kind: Kind) -> Field {
    Field(kind, version, i16::MAX)
}

/// Field up to and in this version.
const fn until(version: i16, kind: Kind) -> Field {
    Field(kind, 0, version)
}

const fn shape(fields: &'static [Field]) -> Shape {
    Shape { fields, tags: &[] }
}

const I8: Kind = Fixed(1);
const I16: Kind = Fixed(2);
const I32: Kind = Fixed(4);
const I64: Kind = Fixed(8);
const BOOL: Kind = Fixed(1);
const UUID: Kind = Fixed(16);

/// The schema of a request that this broker decodes.
pub(crate) fn schema(api: ApiKey) -> Option<&'static Schema> {
    Some(match api {
        ApiKey::Produce => &PRODUCE,
        ApiKey::Fetch => &FETCH,
        ApiKey::ListOffsets => &LIST_OFFSETS,
        ApiKey::Metadata => &METADATA,
        ApiKey::FindCoordinator => &FIND_COORDINATOR,
        ApiKey::ApiVersions => &API_VERSIONS,
        ApiKey::CreateTopics => &CREATE_TOPICS,
        ApiKey::DeleteTopics => &DELETE_TOPICS,
        ApiKey::InitProducerId => &INIT_PRODUCER_ID,
        ApiKey::DescribeConfigs => &DESCRIBE_CONFIGS,
        ApiKey::DescribeCluster => &DESCRIBE_CLUSTER,
        ApiKey::DescribeTopicPartitions => &DESCRIBE_TOPIC_PARTITIONS,
        _ => return None,
    })
}

static PRODUCE: Schema = Schema {
    flexible_since: 9,
    body: shape(&[
        all(Text), // transactional id
        all(I16),  // acks
        all(I32),  // timeout
        all(Structs(&shape(&[
            until(12, Text), // topic
            since(13, UUID),
            all(Structs(&shape(&[all(I32), all(Data)]))),
        ]))),
    ]),
};

static FETCH: Schema = Schema {
    flexible_since: 12,
    body: Shape {
        fields: &[
            until(14, I32), // replica
            all(I32),       // max wait
            all(I32),       // min bytes
            all(I32),       // max bytes
            all(I8),        // isolation level
            since(7, I32),  // session id
            since(7, I32),  // session epoch
            all(Structs(&shape(&[
                until(12, Text), // topic
                since(13, UUID),
                all(Structs(&Shape {
                    fields: &[
                        all(I32),       // partition
                        since(9, I32),  // current leader epoch
                        all(I64),       // offset
                        since(12, I32), // last fetched epoch
                        since(5, I64),  // log start offset
                        all(I32),       // max bytes
                    ],
                    tags: &[Tag(0, 17, UUID), Tag(1, 18, I64)],
                })),
            ]))),
            since(
                7,
                Structs(&shape(&[
                    until(12, Text), // forgotten topic
                    since(13, UUID),
                    all(List(&I32)),
                ])),
            ),
            since(11, Text), // rack
        ],
        tags: &[
            Tag(0, 12, Text),
            Tag(1, 15, Kind::Struct(&shape(&[all(I32), all(I64)]))),
        ],
    },
};

static LIST_OFFSETS: Schema = Schema {
    flexible_since: 6,
    body: shape(&[
        all(I32),     // replica
        since(2, I8), // isolation level
        all(Structs(&shape(&[
            all(Text), // topic
            all(Structs(&shape(&[
                all(I32),      // partition
                since(4, I32), // current leader epoch
                all(I64),      // timestamp
            ]))),
        ]))),
        since(10, I32), // timeout
    ]),
};

static METADATA: Schema = Schema {
    flexible_since: 9,
    body: shape(&[
        all(Structs(&shape(&[since(10, UUID), all(Text)]))),
        since(4, BOOL),     // allow auto topic creation
        Field(BOOL, 8, 10), // include cluster authorized operations
        since(8, BOOL),     // include topic authorized operations
    ]),
};

static FIND_COORDINATOR: Schema = Schema {
    flexible_since: 3,
    body: shape(&[until(3, Text), since(1, I8), since(4, List(&Text))]),
};

static API_VERSIONS: Schema = Schema {
    flexible_since: 3,
    body: shape(&[since(3, Text), since(3, Text)]),
};

static CREATE_TOPICS: Schema = Schema {
    flexible_since: 5,
    body: shape(&[
        all(Structs(&shape(&[
            all(Text), // topic
            all(I32),  // partitions
            all(I16),  // replication factor
            all(Structs(&shape(&[all(I32), all(List(&I32))]))),
            all(Structs(&shape(&[all(Text), all(Text)]))),
        ]))),
        all(I32),  // timeout
        all(BOOL), // validate only
    ]),
};

static DELETE_TOPICS: Schema = Schema {
    flexible_since: 4,
    body: shape(&[
        since(6, Structs(&shape(&[all(Text), all(UUID)]))),
        until(5, List(&Text)),
        all(I32), // timeout
    ]),
};

static INIT_PRODUCER_ID: Schema = Schema {
    flexible_since: 2,
    body: shape(&[
        all(Text), // transactional id
        all(I32),  // transaction timeout
        since(3, I64),
        since(3, I16),
    ]),
};

static DESCRIBE_CONFIGS: Schema = Schema {
    flexible_since: 4,
    body: shape(&[
        all(Structs(&shape(&[
            all(I8),          // resource type
            all(Text),        // resource
            all(List(&Text)), // keys
        ]))),
        all(BOOL),      // include synonyms
        since(3, BOOL), // include documentation
    ]),
};

static DESCRIBE_CLUSTER: Schema = Schema {
    flexible_since: 0,
    body: shape(&[all(BOOL), since(1, I8), since(2, BOOL)]),
};

static DESCRIBE_TOPIC_PARTITIONS: Schema = Schema {
    flexible_since: 0,
    body: shape(&[
        all(Structs(&shape(&[all(Text)]))),
        all(I32),                                          // response partition limit
        all(Kind::Option(&shape(&[all(Text), all(I32)]))), // cursor
    ]),
};
