// Generated from IDid.sol by `npm run gen`. Do not edit.
import type { Abi } from '../kit/abi.ts'

export const abi = {
  "functions": {
    "anchorOf": {
      "selector": "0x5c200e5a",
      "source": "function anchorOf(uint256 listId, uint32 index) view returns ((bytes32,uint32,uint32,uint32,uint64,string) anchor)",
      "mutability": "view",
      "inputs": [
        ["listId", "uint256"],
        ["index", "uint32"]
      ],
      "outputs": [
        [
          "anchor",
          {
            "tuple": [
              ["digest", "bytes32"],
              ["from", "uint32"],
              ["count", "uint32"],
              ["version", "uint32"],
              ["updated", "uint64"],
              ["uri", "string"]
            ]
          }
        ]
      ]
    },
    "anchorProofRoots": {
      "selector": "0x27bd50fd",
      "source": "function anchorProofRoots(uint256 listId, uint256 issuersRoot, uint256 statusRoot)",
      "mutability": "nonpayable",
      "inputs": [
        ["listId", "uint256"],
        ["issuersRoot", "uint256"],
        ["statusRoot", "uint256"]
      ],
      "outputs": []
    },
    "anchorStatusList": {
      "selector": "0x832740d1",
      "source": "function anchorStatusList(uint256 listId, uint32 segment, bytes32 digest, string uri)",
      "mutability": "nonpayable",
      "inputs": [
        ["listId", "uint256"],
        ["segment", "uint32"],
        ["digest", "bytes32"],
        ["uri", "string"]
      ],
      "outputs": []
    },
    "bindPerson": {
      "selector": "0x21f4f427",
      "source": "function bindPerson(address identity, bytes32 person, uint64 validUntil, address issuer, uint64 deadline, bytes signature)",
      "mutability": "nonpayable",
      "inputs": [
        ["identity", "address"],
        ["person", "bytes32"],
        ["validUntil", "uint64"],
        ["issuer", "address"],
        ["deadline", "uint64"],
        ["signature", "bytes"]
      ],
      "outputs": []
    },
    "controllerOf": {
      "selector": "0xd3a2b210",
      "source": "function controllerOf(address identity) view returns (address controller)",
      "mutability": "view",
      "inputs": [
        ["identity", "address"]
      ],
      "outputs": [
        ["controller", "address"]
      ]
    },
    "createStatusList": {
      "selector": "0x29d342e5",
      "source": "function createStatusList(address issuer, uint8 purpose, uint32 size) returns (uint256 listId)",
      "mutability": "nonpayable",
      "inputs": [
        ["issuer", "address"],
        ["purpose", "uint8"],
        ["size", "uint32"]
      ],
      "outputs": [
        ["listId", "uint256"]
      ]
    },
    "deactivate": {
      "selector": "0x3ea053eb",
      "source": "function deactivate(address identity)",
      "mutability": "nonpayable",
      "inputs": [
        ["identity", "address"]
      ],
      "outputs": []
    },
    "deactivateSigned": {
      "selector": "0xc472d44b",
      "source": "function deactivateSigned(address identity, uint64 deadline, bytes signature)",
      "mutability": "nonpayable",
      "inputs": [
        ["identity", "address"],
        ["deadline", "uint64"],
        ["signature", "bytes"]
      ],
      "outputs": []
    },
    "didOf": {
      "selector": "0x364c707b",
      "source": "function didOf(address identity) view returns (string did)",
      "mutability": "view",
      "inputs": [
        ["identity", "address"]
      ],
      "outputs": [
        ["did", "string"]
      ]
    },
    "documentOf": {
      "selector": "0x973c52ef",
      "source": "function documentOf(address identity, uint32 version) view returns ((address,uint32,uint32,uint32,uint64,uint64,uint64,bool,(string,uint8,uint8,uint64,bytes)[],(string,string,string)[]) document)",
      "mutability": "view",
      "inputs": [
        ["identity", "address"],
        ["version", "uint32"]
      ],
      "outputs": [
        [
          "document",
          {
            "tuple": [
              ["controller", "address"],
              ["version", "uint32"],
              ["latest", "uint32"],
              ["blockNumber", "uint32"],
              ["updated", "uint64"],
              ["created", "uint64"],
              ["nextUpdate", "uint64"],
              ["deactivated", "bool"],
              [
                "keys",
                {
                  "list": {
                    "tuple": [
                      ["id", "string"],
                      ["keyType", "uint8"],
                      ["purposes", "uint8"],
                      ["validUntil", "uint64"],
                      ["publicKey", "bytes"]
                    ]
                  }
                }
              ],
              [
                "services",
                {
                  "list": {
                    "tuple": [
                      ["id", "string"],
                      ["serviceType", "string"],
                      ["endpoint", "string"]
                    ]
                  }
                }
              ]
            ]
          }
        ]
      ]
    },
    "eip712Domain": {
      "selector": "0x84b0196e",
      "source": "function eip712Domain() view returns (bytes1 fields, string name, string version, uint256 chainId, address verifyingContract, bytes32 salt, uint256[] extensions)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["fields", "bytes1"],
        ["name", "string"],
        ["version", "string"],
        ["chainId", "uint256"],
        ["verifyingContract", "address"],
        ["salt", "bytes32"],
        [
          "extensions",
          {
            "list": "uint256"
          }
        ]
      ]
    },
    "identityOf": {
      "selector": "0x4fc9c91a",
      "source": "function identityOf(bytes32 person) view returns (address identity)",
      "mutability": "view",
      "inputs": [
        ["person", "bytes32"]
      ],
      "outputs": [
        ["identity", "address"]
      ]
    },
    "issuerOf": {
      "selector": "0xc04d32e5",
      "source": "function issuerOf(address account) view returns ((address,uint8,uint64,string) issuer)",
      "mutability": "view",
      "inputs": [
        ["account", "address"]
      ],
      "outputs": [
        [
          "issuer",
          {
            "tuple": [
              ["account", "address"],
              ["roles", "uint8"],
              ["since", "uint64"],
              ["name", "string"]
            ]
          }
        ]
      ]
    },
    "issuers": {
      "selector": "0x5ddf6a53",
      "source": "function issuers(uint256 from, uint256 count) view returns ((address,uint8,uint64,string)[] page)",
      "mutability": "view",
      "inputs": [
        ["from", "uint256"],
        ["count", "uint256"]
      ],
      "outputs": [
        [
          "page",
          {
            "list": {
              "tuple": [
                ["account", "address"],
                ["roles", "uint8"],
                ["since", "uint64"],
                ["name", "string"]
              ]
            }
          }
        ]
      ]
    },
    "network": {
      "selector": "0x6739afca",
      "source": "function network() view returns (string name)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["name", "string"]
      ]
    },
    "personNonce": {
      "selector": "0xa30eaadb",
      "source": "function personNonce(address identity) view returns (uint32 nonce)",
      "mutability": "view",
      "inputs": [
        ["identity", "address"]
      ],
      "outputs": [
        ["nonce", "uint32"]
      ]
    },
    "personOf": {
      "selector": "0x55155312",
      "source": "function personOf(address identity) view returns (bytes32 person, address issuer, uint64 since, uint64 validUntil)",
      "mutability": "view",
      "inputs": [
        ["identity", "address"]
      ],
      "outputs": [
        ["person", "bytes32"],
        ["issuer", "address"],
        ["since", "uint64"],
        ["validUntil", "uint64"]
      ]
    },
    "presentProof": {
      "selector": "0x1237d6d7",
      "source": "function presentProof(uint256 listId, (uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256) statement, ((uint256,uint256),(uint256,uint256,uint256,uint256),(uint256,uint256)) proof)",
      "mutability": "nonpayable",
      "inputs": [
        ["listId", "uint256"],
        [
          "statement",
          {
            "tuple": [
              ["nullifier", "uint256"],
              ["issuersRoot", "uint256"],
              ["statusRoot", "uint256"],
              ["schema", "uint256"],
              ["claimIndex", "uint256"],
              ["threshold", "uint256"],
              ["time", "uint256"],
              ["context", "uint256"]
            ]
          }
        ],
        [
          "proof",
          {
            "tuple": [
              [
                "a",
                {
                  "tuple": [
                    ["x", "uint256"],
                    ["y", "uint256"]
                  ]
                }
              ],
              [
                "b",
                {
                  "tuple": [
                    ["xImaginary", "uint256"],
                    ["xReal", "uint256"],
                    ["yImaginary", "uint256"],
                    ["yReal", "uint256"]
                  ]
                }
              ],
              [
                "c",
                {
                  "tuple": [
                    ["x", "uint256"],
                    ["y", "uint256"]
                  ]
                }
              ]
            ]
          }
        ]
      ],
      "outputs": []
    },
    "presentationOf": {
      "selector": "0xb6343dbf",
      "source": "function presentationOf(uint256 context, uint256 nullifier) view returns (address by, uint64 time)",
      "mutability": "view",
      "inputs": [
        ["context", "uint256"],
        ["nullifier", "uint256"]
      ],
      "outputs": [
        ["by", "address"],
        ["time", "uint64"]
      ]
    },
    "proofRoots": {
      "selector": "0xd0cc1949",
      "source": "function proofRoots(uint256 listId) view returns (uint256 issuersRoot, uint256 statusRoot)",
      "mutability": "view",
      "inputs": [
        ["listId", "uint256"]
      ],
      "outputs": [
        ["issuersRoot", "uint256"],
        ["statusRoot", "uint256"]
      ]
    },
    "revokeKey": {
      "selector": "0xed8e2da6",
      "source": "function revokeKey(address identity, string id)",
      "mutability": "nonpayable",
      "inputs": [
        ["identity", "address"],
        ["id", "string"]
      ],
      "outputs": []
    },
    "revokeKeySigned": {
      "selector": "0x8273bf01",
      "source": "function revokeKeySigned(address identity, string id, uint64 deadline, bytes signature)",
      "mutability": "nonpayable",
      "inputs": [
        ["identity", "address"],
        ["id", "string"],
        ["deadline", "uint64"],
        ["signature", "bytes"]
      ],
      "outputs": []
    },
    "revokeService": {
      "selector": "0x9eb7afba",
      "source": "function revokeService(address identity, string id)",
      "mutability": "nonpayable",
      "inputs": [
        ["identity", "address"],
        ["id", "string"]
      ],
      "outputs": []
    },
    "revokeServiceSigned": {
      "selector": "0x68617833",
      "source": "function revokeServiceSigned(address identity, string id, uint64 deadline, bytes signature)",
      "mutability": "nonpayable",
      "inputs": [
        ["identity", "address"],
        ["id", "string"],
        ["deadline", "uint64"],
        ["signature", "bytes"]
      ],
      "outputs": []
    },
    "setController": {
      "selector": "0x7b7d6c68",
      "source": "function setController(address identity, address controller)",
      "mutability": "nonpayable",
      "inputs": [
        ["identity", "address"],
        ["controller", "address"]
      ],
      "outputs": []
    },
    "setControllerSigned": {
      "selector": "0xfead9215",
      "source": "function setControllerSigned(address identity, address controller, uint64 deadline, bytes signature)",
      "mutability": "nonpayable",
      "inputs": [
        ["identity", "address"],
        ["controller", "address"],
        ["deadline", "uint64"],
        ["signature", "bytes"]
      ],
      "outputs": []
    },
    "setIssuer": {
      "selector": "0x536231f9",
      "source": "function setIssuer(address issuer, uint8 roles, string name)",
      "mutability": "nonpayable",
      "inputs": [
        ["issuer", "address"],
        ["roles", "uint8"],
        ["name", "string"]
      ],
      "outputs": []
    },
    "setKey": {
      "selector": "0x20647c6a",
      "source": "function setKey(address identity, string id, uint8 keyType, bytes publicKey, uint8 purposes, uint64 validUntil)",
      "mutability": "nonpayable",
      "inputs": [
        ["identity", "address"],
        ["id", "string"],
        ["keyType", "uint8"],
        ["publicKey", "bytes"],
        ["purposes", "uint8"],
        ["validUntil", "uint64"]
      ],
      "outputs": []
    },
    "setKeySigned": {
      "selector": "0xb9f7999d",
      "source": "function setKeySigned(address identity, string id, uint8 keyType, bytes publicKey, uint8 purposes, uint64 validUntil, uint64 deadline, bytes signature)",
      "mutability": "nonpayable",
      "inputs": [
        ["identity", "address"],
        ["id", "string"],
        ["keyType", "uint8"],
        ["publicKey", "bytes"],
        ["purposes", "uint8"],
        ["validUntil", "uint64"],
        ["deadline", "uint64"],
        ["signature", "bytes"]
      ],
      "outputs": []
    },
    "setService": {
      "selector": "0x91340401",
      "source": "function setService(address identity, string id, string serviceType, string endpoint)",
      "mutability": "nonpayable",
      "inputs": [
        ["identity", "address"],
        ["id", "string"],
        ["serviceType", "string"],
        ["endpoint", "string"]
      ],
      "outputs": []
    },
    "setServiceSigned": {
      "selector": "0x6f8dadc0",
      "source": "function setServiceSigned(address identity, string id, string serviceType, string endpoint, uint64 deadline, bytes signature)",
      "mutability": "nonpayable",
      "inputs": [
        ["identity", "address"],
        ["id", "string"],
        ["serviceType", "string"],
        ["endpoint", "string"],
        ["deadline", "uint64"],
        ["signature", "bytes"]
      ],
      "outputs": []
    },
    "setStatus": {
      "selector": "0xdf539949",
      "source": "function setStatus(uint256 listId, uint32 index, bool value)",
      "mutability": "nonpayable",
      "inputs": [
        ["listId", "uint256"],
        ["index", "uint32"],
        ["value", "bool"]
      ],
      "outputs": []
    },
    "statusList": {
      "selector": "0x4e9dc876",
      "source": "function statusList(uint256 listId) view returns ((address,uint8,uint32) list)",
      "mutability": "view",
      "inputs": [
        ["listId", "uint256"]
      ],
      "outputs": [
        [
          "list",
          {
            "tuple": [
              ["issuer", "address"],
              ["purpose", "uint8"],
              ["size", "uint32"]
            ]
          }
        ]
      ]
    },
    "statusListCount": {
      "selector": "0x3f290594",
      "source": "function statusListCount() view returns (uint256 count)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["count", "uint256"]
      ]
    },
    "statusOf": {
      "selector": "0xf951d823",
      "source": "function statusOf(uint256 listId, uint32 index) view returns (bool value)",
      "mutability": "view",
      "inputs": [
        ["listId", "uint256"],
        ["index", "uint32"]
      ],
      "outputs": [
        ["value", "bool"]
      ]
    },
    "statusWords": {
      "selector": "0x7ece1e42",
      "source": "function statusWords(uint256 listId, uint32 fromWord, uint32 count) view returns (bytes32[] words)",
      "mutability": "view",
      "inputs": [
        ["listId", "uint256"],
        ["fromWord", "uint32"],
        ["count", "uint32"]
      ],
      "outputs": [
        [
          "words",
          {
            "list": "bytes32"
          }
        ]
      ]
    },
    "unbindPerson": {
      "selector": "0x2b0149a5",
      "source": "function unbindPerson(address identity)",
      "mutability": "nonpayable",
      "inputs": [
        ["identity", "address"]
      ],
      "outputs": []
    },
    "verifyProof": {
      "selector": "0x6d5f5d53",
      "source": "function verifyProof((uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256) statement, ((uint256,uint256),(uint256,uint256,uint256,uint256),(uint256,uint256)) proof) view returns (bool holds)",
      "mutability": "view",
      "inputs": [
        [
          "statement",
          {
            "tuple": [
              ["nullifier", "uint256"],
              ["issuersRoot", "uint256"],
              ["statusRoot", "uint256"],
              ["schema", "uint256"],
              ["claimIndex", "uint256"],
              ["threshold", "uint256"],
              ["time", "uint256"],
              ["context", "uint256"]
            ]
          }
        ],
        [
          "proof",
          {
            "tuple": [
              [
                "a",
                {
                  "tuple": [
                    ["x", "uint256"],
                    ["y", "uint256"]
                  ]
                }
              ],
              [
                "b",
                {
                  "tuple": [
                    ["xImaginary", "uint256"],
                    ["xReal", "uint256"],
                    ["yImaginary", "uint256"],
                    ["yReal", "uint256"]
                  ]
                }
              ],
              [
                "c",
                {
                  "tuple": [
                    ["x", "uint256"],
                    ["y", "uint256"]
                  ]
                }
              ]
            ]
          }
        ]
      ],
      "outputs": [
        ["holds", "bool"]
      ]
    },
    "verifyingKeyHash": {
      "selector": "0x69b5d6d1",
      "source": "function verifyingKeyHash() view returns (bytes32 hash)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["hash", "bytes32"]
      ]
    },
    "versionAt": {
      "selector": "0x2d314eba",
      "source": "function versionAt(address identity, uint64 time) view returns (uint32 version)",
      "mutability": "view",
      "inputs": [
        ["identity", "address"],
        ["time", "uint64"]
      ],
      "outputs": [
        ["version", "uint32"]
      ]
    },
    "versionOf": {
      "selector": "0x0db3ff45",
      "source": "function versionOf(address identity) view returns (uint32 version, uint32 blockNumber, uint64 updated, bool deactivated)",
      "mutability": "view",
      "inputs": [
        ["identity", "address"]
      ],
      "outputs": [
        ["version", "uint32"],
        ["blockNumber", "uint32"],
        ["updated", "uint64"],
        ["deactivated", "bool"]
      ]
    }
  },
  "events": {
    "ControllerChanged": {
      "topic": "0x9584787fd09755e95353883bb82469d61c6f6a9e31e576778b3c11ee3403a2ac",
      "source": "event ControllerChanged(address indexed identity, address indexed controller, uint32 version)",
      "indexed": [
        ["identity", "address"],
        ["controller", "address"]
      ],
      "plain": [
        ["version", "uint32"]
      ]
    },
    "Deactivated": {
      "topic": "0x1be7167d4ad9a3793b3d819cf67bba33fc287e2c6a9e0fde90b6d7a307a8929a",
      "source": "event Deactivated(address indexed identity, uint32 version)",
      "indexed": [
        ["identity", "address"]
      ],
      "plain": [
        ["version", "uint32"]
      ]
    },
    "IssuerSet": {
      "topic": "0xf9f39e4de6f7b68d704355bb34db308fe0cb4b7ef81c0da13a0e1688768f52f0",
      "source": "event IssuerSet(address indexed issuer, uint8 roles, string name)",
      "indexed": [
        ["issuer", "address"]
      ],
      "plain": [
        ["roles", "uint8"],
        ["name", "string"]
      ]
    },
    "KeyRevoked": {
      "topic": "0x3df1188a2510b253c9c79e85ab6b0cb3adaa5e5ce6c431d3c8385ec6e04144a5",
      "source": "event KeyRevoked(address indexed identity, string id, uint32 version)",
      "indexed": [
        ["identity", "address"]
      ],
      "plain": [
        ["id", "string"],
        ["version", "uint32"]
      ]
    },
    "KeySet": {
      "topic": "0x9e3f39655c273edfaea1f5f56268fb51b60a5265dbe43d5cfbab4708a01652e3",
      "source": "event KeySet(address indexed identity, string id, uint8 keyType, bytes publicKey, uint8 purposes, uint64 validUntil, uint32 version)",
      "indexed": [
        ["identity", "address"]
      ],
      "plain": [
        ["id", "string"],
        ["keyType", "uint8"],
        ["publicKey", "bytes"],
        ["purposes", "uint8"],
        ["validUntil", "uint64"],
        ["version", "uint32"]
      ]
    },
    "PersonBound": {
      "topic": "0x0bb95cb32be286082379c343bcf2be4baa21e14ced728f5378cbd4fa683fe379",
      "source": "event PersonBound(address indexed identity, bytes32 indexed person, address indexed issuer, uint64 validUntil)",
      "indexed": [
        ["identity", "address"],
        ["person", "bytes32"],
        ["issuer", "address"]
      ],
      "plain": [
        ["validUntil", "uint64"]
      ]
    },
    "PersonUnbound": {
      "topic": "0x7b4cb687186387132949f3b3fc21e4f26dfc1ea6639ff0d5353003ce650a4dda",
      "source": "event PersonUnbound(address indexed identity, bytes32 indexed person, address indexed by)",
      "indexed": [
        ["identity", "address"],
        ["person", "bytes32"],
        ["by", "address"]
      ],
      "plain": []
    },
    "ProofPresented": {
      "topic": "0x053c1550441655ef82f9d8b52cae80e2afbb8d5339b6c3ab05bf59fcc83371d9",
      "source": "event ProofPresented(uint256 indexed context, uint256 indexed nullifier, address indexed by, uint256 listId, uint256 schema, uint256 claimIndex, uint256 threshold, uint256 time)",
      "indexed": [
        ["context", "uint256"],
        ["nullifier", "uint256"],
        ["by", "address"]
      ],
      "plain": [
        ["listId", "uint256"],
        ["schema", "uint256"],
        ["claimIndex", "uint256"],
        ["threshold", "uint256"],
        ["time", "uint256"]
      ]
    },
    "ProofRootsAnchored": {
      "topic": "0x34a307884b4ff2fb343b99af07a3f3cfc85c3475e675f2c75a3c1011da21f569",
      "source": "event ProofRootsAnchored(uint256 indexed listId, uint256 issuersRoot, uint256 statusRoot)",
      "indexed": [
        ["listId", "uint256"]
      ],
      "plain": [
        ["issuersRoot", "uint256"],
        ["statusRoot", "uint256"]
      ]
    },
    "ServiceRevoked": {
      "topic": "0x47d6f8b22adee6f25e22438587c34e7e51c4cf2cdf20d495d665cb7b587167cf",
      "source": "event ServiceRevoked(address indexed identity, string id, uint32 version)",
      "indexed": [
        ["identity", "address"]
      ],
      "plain": [
        ["id", "string"],
        ["version", "uint32"]
      ]
    },
    "ServiceSet": {
      "topic": "0x18aaafa0cf98822f502f20b118533b7618f71555b86d905e933b848a4c9ec6a1",
      "source": "event ServiceSet(address indexed identity, string id, string serviceType, string endpoint, uint32 version)",
      "indexed": [
        ["identity", "address"]
      ],
      "plain": [
        ["id", "string"],
        ["serviceType", "string"],
        ["endpoint", "string"],
        ["version", "uint32"]
      ]
    },
    "StatusListAnchored": {
      "topic": "0xdb364a02dec02f06e97b185ca31ab15575ed9c195a6e78edd53ec05fe9262f13",
      "source": "event StatusListAnchored(uint256 indexed listId, uint32 indexed from, uint32 count, bytes32 digest, uint32 version, string uri)",
      "indexed": [
        ["listId", "uint256"],
        ["from", "uint32"]
      ],
      "plain": [
        ["count", "uint32"],
        ["digest", "bytes32"],
        ["version", "uint32"],
        ["uri", "string"]
      ]
    },
    "StatusListCreated": {
      "topic": "0x84c8f50a863f6a4c01af1548a61a0cac63b245c7c2914ad2a7cb8c69eb2e72f5",
      "source": "event StatusListCreated(uint256 indexed listId, address indexed issuer, uint8 purpose, uint32 size)",
      "indexed": [
        ["listId", "uint256"],
        ["issuer", "address"]
      ],
      "plain": [
        ["purpose", "uint8"],
        ["size", "uint32"]
      ]
    },
    "StatusSet": {
      "topic": "0xe87ac15e26ed58562bc95bc1a6fca22a747f7bd71569cc19588948716ab73b19",
      "source": "event StatusSet(uint256 indexed listId, uint32 indexed index, bool value)",
      "indexed": [
        ["listId", "uint256"],
        ["index", "uint32"]
      ],
      "plain": [
        ["value", "bool"]
      ]
    }
  },
  "errors": {
    "BadId": {
      "selector": "0x7f0e8fdd",
      "source": "error BadId(string id)",
      "inputs": [
        ["id", "string"]
      ]
    },
    "BadIssuer": {
      "selector": "0x87b53fef",
      "source": "error BadIssuer(string reason)",
      "inputs": [
        ["reason", "string"]
      ]
    },
    "BadList": {
      "selector": "0xeab414f8",
      "source": "error BadList(string reason)",
      "inputs": [
        ["reason", "string"]
      ]
    },
    "BadPerson": {
      "selector": "0xb0fc68ec",
      "source": "error BadPerson(bytes32 person)",
      "inputs": [
        ["person", "bytes32"]
      ]
    },
    "BadPublicKey": {
      "selector": "0x60eb1651",
      "source": "error BadPublicKey(uint8 keyType, string reason)",
      "inputs": [
        ["keyType", "uint8"],
        ["reason", "string"]
      ]
    },
    "BadPurposes": {
      "selector": "0x573d37c5",
      "source": "error BadPurposes(uint8 keyType, uint8 purposes)",
      "inputs": [
        ["keyType", "uint8"],
        ["purposes", "uint8"]
      ]
    },
    "BadService": {
      "selector": "0x1a04b421",
      "source": "error BadService(string reason)",
      "inputs": [
        ["reason", "string"]
      ]
    },
    "BadSignature": {
      "selector": "0x5cd5d233",
      "source": "error BadSignature()",
      "inputs": []
    },
    "BadValidUntil": {
      "selector": "0x039b2257",
      "source": "error BadValidUntil(uint64 given, uint64 time)",
      "inputs": [
        ["given", "uint64"],
        ["time", "uint64"]
      ]
    },
    "DidDeactivated": {
      "selector": "0x0634edef",
      "source": "error DidDeactivated(address identity)",
      "inputs": [
        ["identity", "address"]
      ]
    },
    "HistoryFull": {
      "selector": "0x1bdd91d2",
      "source": "error HistoryFull(uint256 maximum)",
      "inputs": [
        ["maximum", "uint256"]
      ]
    },
    "IndexOutside": {
      "selector": "0x26cf3290",
      "source": "error IndexOutside(uint256 listId, uint32 index, uint32 size)",
      "inputs": [
        ["listId", "uint256"],
        ["index", "uint32"],
        ["size", "uint32"]
      ]
    },
    "KeyUnknown": {
      "selector": "0x148b9640",
      "source": "error KeyUnknown(address identity, string id)",
      "inputs": [
        ["identity", "address"],
        ["id", "string"]
      ]
    },
    "ListUnknown": {
      "selector": "0x66c1de02",
      "source": "error ListUnknown(uint256 listId)",
      "inputs": [
        ["listId", "uint256"]
      ]
    },
    "NoVerifyingKey": {
      "selector": "0x45ff2351",
      "source": "error NoVerifyingKey()",
      "inputs": []
    },
    "NotBound": {
      "selector": "0xa8366d01",
      "source": "error NotBound(address identity)",
      "inputs": [
        ["identity", "address"]
      ]
    },
    "NotController": {
      "selector": "0x459913a8",
      "source": "error NotController(address identity, address given, address controller)",
      "inputs": [
        ["identity", "address"],
        ["given", "address"],
        ["controller", "address"]
      ]
    },
    "NotGovernance": {
      "selector": "0x988d1f03",
      "source": "error NotGovernance(address caller)",
      "inputs": [
        ["caller", "address"]
      ]
    },
    "NotIssuer": {
      "selector": "0x44b03618",
      "source": "error NotIssuer(address account, uint8 role)",
      "inputs": [
        ["account", "address"],
        ["role", "uint8"]
      ]
    },
    "NullifierUsed": {
      "selector": "0x62505b41",
      "source": "error NullifierUsed(uint256 context, uint256 nullifier)",
      "inputs": [
        ["context", "uint256"],
        ["nullifier", "uint256"]
      ]
    },
    "OtherRoots": {
      "selector": "0xfedf2849",
      "source": "error OtherRoots(uint256 listId, uint256 issuersRoot, uint256 statusRoot)",
      "inputs": [
        ["listId", "uint256"],
        ["issuersRoot", "uint256"],
        ["statusRoot", "uint256"]
      ]
    },
    "PersonTaken": {
      "selector": "0x89f60786",
      "source": "error PersonTaken(bytes32 person, address identity)",
      "inputs": [
        ["person", "bytes32"],
        ["identity", "address"]
      ]
    },
    "ProofInvalid": {
      "selector": "0x7fcdd1f4",
      "source": "error ProofInvalid()",
      "inputs": []
    },
    "RevocationIsFinal": {
      "selector": "0x98383612",
      "source": "error RevocationIsFinal(uint256 listId, uint32 index)",
      "inputs": [
        ["listId", "uint256"],
        ["index", "uint32"]
      ]
    },
    "ServiceUnknown": {
      "selector": "0x8ae1a69e",
      "source": "error ServiceUnknown(address identity, string id)",
      "inputs": [
        ["identity", "address"],
        ["id", "string"]
      ]
    },
    "SignatureExpired": {
      "selector": "0x69ad13a0",
      "source": "error SignatureExpired(uint64 deadline, uint64 time)",
      "inputs": [
        ["deadline", "uint64"],
        ["time", "uint64"]
      ]
    },
    "StatementTooOld": {
      "selector": "0xe982f89b",
      "source": "error StatementTooOld(uint256 given, uint256 time)",
      "inputs": [
        ["given", "uint256"],
        ["time", "uint256"]
      ]
    },
    "TooMany": {
      "selector": "0xb7e9260a",
      "source": "error TooMany(uint256 maximum)",
      "inputs": [
        ["maximum", "uint256"]
      ]
    },
    "VersionUnknown": {
      "selector": "0x39f13c61",
      "source": "error VersionUnknown(address identity, uint32 version, uint32 latest)",
      "inputs": [
        ["identity", "address"],
        ["version", "uint32"],
        ["latest", "uint32"]
      ]
    },
    "ZeroAddress": {
      "selector": "0xd92e233d",
      "source": "error ZeroAddress()",
      "inputs": []
    }
  }
} as const satisfies Abi
