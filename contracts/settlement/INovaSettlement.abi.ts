// Generated from INovaSettlement.sol by `npm run gen`. Do not edit.
import type { Abi } from '../../chain/native/kit/abi.ts'

export const abi = {
  "functions": {
    "epochBlocks": {
      "selector": "0x4e4b3bef",
      "source": "function epochBlocks() view returns (uint64 count)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["count", "uint64"]
      ]
    },
    "genesisHash": {
      "selector": "0x94391a6d",
      "source": "function genesisHash() view returns (bytes32 blockHash)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["blockHash", "bytes32"]
      ]
    },
    "isPoster": {
      "selector": "0x1b25ba61",
      "source": "function isPoster(address account) view returns (bool allowed)",
      "mutability": "view",
      "inputs": [
        ["account", "address"]
      ],
      "outputs": [
        ["allowed", "bool"]
      ]
    },
    "latest": {
      "selector": "0x52bfe789",
      "source": "function latest() view returns ((uint64,uint64,uint64,bytes32,bytes32,bytes32,bytes32) settled)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        [
          "settled",
          {
            "tuple": [
              ["seq", "uint64"],
              ["height", "uint64"],
              ["epoch", "uint64"],
              ["accumulator", "bytes32"],
              ["blockHash", "bytes32"],
              ["stateRoot", "bytes32"],
              ["validatorsHash", "bytes32"]
            ]
          }
        ]
      ]
    },
    "post": {
      "selector": "0x5ac436ae",
      "source": "function post(uint64 seq, bytes32 previousAccumulator, bytes batch, (bytes,bytes) checkpoint, bytes certificate)",
      "mutability": "nonpayable",
      "inputs": [
        ["seq", "uint64"],
        ["previousAccumulator", "bytes32"],
        ["batch", "bytes"],
        [
          "checkpoint",
          {
            "tuple": [
              ["header", "bytes"],
              ["section", "bytes"]
            ]
          }
        ],
        ["certificate", "bytes"]
      ],
      "outputs": []
    },
    "setPoster": {
      "selector": "0x33a170ff",
      "source": "function setPoster(address poster, bool allowed)",
      "mutability": "nonpayable",
      "inputs": [
        ["poster", "address"],
        ["allowed", "bool"]
      ],
      "outputs": []
    },
    "setVerifier": {
      "selector": "0x5437988d",
      "source": "function setVerifier(address next)",
      "mutability": "nonpayable",
      "inputs": [
        ["next", "address"]
      ],
      "outputs": []
    },
    "stateRootOf": {
      "selector": "0x931f4030",
      "source": "function stateRootOf(uint64 seq) view returns (bytes32 stateRoot)",
      "mutability": "view",
      "inputs": [
        ["seq", "uint64"]
      ],
      "outputs": [
        ["stateRoot", "bytes32"]
      ]
    },
    "supply": {
      "selector": "0x4e0fa907",
      "source": "function supply(uint64 seq, bytes batch)",
      "mutability": "nonpayable",
      "inputs": [
        ["seq", "uint64"],
        ["batch", "bytes"]
      ],
      "outputs": []
    },
    "verifier": {
      "selector": "0x2b7ac3f3",
      "source": "function verifier() view returns (address current)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["current", "address"]
      ]
    }
  },
  "events": {
    "BatchPosted": {
      "topic": "0xe22bc01a12cef6678526ca0e0cfdc67aa5b247eaeb3218659cebce1c8519e369",
      "source": "event BatchPosted(uint64 indexed seq, uint64 indexed height, bytes32 indexed blockHash, bytes32 dataHash, bytes32 accumulator, bytes32 stateRoot)",
      "indexed": [
        ["seq", "uint64"],
        ["height", "uint64"],
        ["blockHash", "bytes32"]
      ],
      "plain": [
        ["dataHash", "bytes32"],
        ["accumulator", "bytes32"],
        ["stateRoot", "bytes32"]
      ]
    },
    "BatchSupplied": {
      "topic": "0x817afe958005da1c66eb2fdfdc7fcb0dda11e9b79200c634c9aefbd7c898dfaa",
      "source": "event BatchSupplied(uint64 indexed seq, bytes32 dataHash)",
      "indexed": [
        ["seq", "uint64"]
      ],
      "plain": [
        ["dataHash", "bytes32"]
      ]
    },
    "PosterSet": {
      "topic": "0x3da19a2cb558b1fcec9947c13144c03185aa0074e2dbeeab3ab9c54f090616cc",
      "source": "event PosterSet(address indexed poster, bool allowed)",
      "indexed": [
        ["poster", "address"]
      ],
      "plain": [
        ["allowed", "bool"]
      ]
    },
    "ValidatorsHandedOver": {
      "topic": "0xf3dea6234e26cdf8ee9f0f96bfc431e45da086dc5e5b8b292c021222e363520e",
      "source": "event ValidatorsHandedOver(uint64 indexed epoch, bytes32 validatorsHash)",
      "indexed": [
        ["epoch", "uint64"]
      ],
      "plain": [
        ["validatorsHash", "bytes32"]
      ]
    },
    "VerifierSet": {
      "topic": "0x480b37e3d134e44cb444c9703493c7db564c707cb8a18cecea165f340431da1f",
      "source": "event VerifierSet(address verifier)",
      "indexed": [],
      "plain": [
        ["verifier", "address"]
      ]
    }
  },
  "errors": {
    "BadHeader": {
      "selector": "0x451b7cff",
      "source": "error BadHeader()",
      "inputs": []
    },
    "BadSection": {
      "selector": "0xb9681365",
      "source": "error BadSection()",
      "inputs": []
    },
    "EmptyBatch": {
      "selector": "0xc2e5347d",
      "source": "error EmptyBatch()",
      "inputs": []
    },
    "HeightNotAfter": {
      "selector": "0x4b33471e",
      "source": "error HeightNotAfter(uint64 given, uint64 current)",
      "inputs": [
        ["given", "uint64"],
        ["current", "uint64"]
      ]
    },
    "NoSuchCheckpoint": {
      "selector": "0x4e1ce82c",
      "source": "error NoSuchCheckpoint(uint64 seq)",
      "inputs": [
        ["seq", "uint64"]
      ]
    },
    "NoVerifier": {
      "selector": "0x79e2e003",
      "source": "error NoVerifier()",
      "inputs": []
    },
    "NotDirect": {
      "selector": "0xeb8cd611",
      "source": "error NotDirect()",
      "inputs": []
    },
    "NotPoster": {
      "selector": "0x6951ee52",
      "source": "error NotPoster(address caller)",
      "inputs": [
        ["caller", "address"]
      ]
    },
    "WrongAccumulator": {
      "selector": "0x9e3310ec",
      "source": "error WrongAccumulator(bytes32 given, bytes32 expected)",
      "inputs": [
        ["given", "bytes32"],
        ["expected", "bytes32"]
      ]
    },
    "WrongEpoch": {
      "selector": "0x2b9264ec",
      "source": "error WrongEpoch(uint64 given, uint64 expected)",
      "inputs": [
        ["given", "uint64"],
        ["expected", "uint64"]
      ]
    },
    "WrongParent": {
      "selector": "0xf8bef082",
      "source": "error WrongParent(bytes32 given, bytes32 expected)",
      "inputs": [
        ["given", "bytes32"],
        ["expected", "bytes32"]
      ]
    },
    "WrongSequence": {
      "selector": "0x3339693d",
      "source": "error WrongSequence(uint64 given, uint64 expected)",
      "inputs": [
        ["given", "uint64"],
        ["expected", "uint64"]
      ]
    }
  }
} as const satisfies Abi
