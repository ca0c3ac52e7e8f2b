// Generated from IParams.sol by `npm run gen`. Do not edit.
import type { Abi } from '../kit/abi.ts'

export const abi = {
  "functions": {
    "acceptGovernance": {
      "selector": "0x238efcbc",
      "source": "function acceptGovernance()",
      "mutability": "nonpayable",
      "inputs": [],
      "outputs": []
    },
    "addToList": {
      "selector": "0x88c5d6a4",
      "source": "function addToList(string list, bytes[] members)",
      "mutability": "nonpayable",
      "inputs": [
        ["list", "string"],
        [
          "members",
          {
            "list": "bytes"
          }
        ]
      ],
      "outputs": []
    },
    "cancelFork": {
      "selector": "0x47a00b03",
      "source": "function cancelFork(string name)",
      "mutability": "nonpayable",
      "inputs": [
        ["name", "string"]
      ],
      "outputs": []
    },
    "describe": {
      "selector": "0xe7356822",
      "source": "function describe(string name) view returns (string unit, uint256 minimum, uint256 maximum, string meaning)",
      "mutability": "view",
      "inputs": [
        ["name", "string"]
      ],
      "outputs": [
        ["unit", "string"],
        ["minimum", "uint256"],
        ["maximum", "uint256"],
        ["meaning", "string"]
      ]
    },
    "epoch": {
      "selector": "0x900cf0cf",
      "source": "function epoch() view returns (uint256 current, uint256 blocks)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["current", "uint256"],
        ["blocks", "uint256"]
      ]
    },
    "forks": {
      "selector": "0xf38340c1",
      "source": "function forks() view returns ((string,uint256,string)[] all)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        [
          "all",
          {
            "list": {
              "tuple": [
                ["name", "string"],
                ["epoch", "uint256"],
                ["version", "string"]
              ]
            }
          }
        ]
      ]
    },
    "get": {
      "selector": "0x693ec85e",
      "source": "function get(string name) view returns (uint256 value)",
      "mutability": "view",
      "inputs": [
        ["name", "string"]
      ],
      "outputs": [
        ["value", "uint256"]
      ]
    },
    "governance": {
      "selector": "0x5aa6e675",
      "source": "function governance() view returns (address account)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["account", "address"]
      ]
    },
    "guardian": {
      "selector": "0x452a9320",
      "source": "function guardian() view returns (address account)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        ["account", "address"]
      ]
    },
    "isPermitted": {
      "selector": "0x8cd02a55",
      "source": "function isPermitted(string list, bytes member) view returns (bool permitted)",
      "mutability": "view",
      "inputs": [
        ["list", "string"],
        ["member", "bytes"]
      ],
      "outputs": [
        ["permitted", "bool"]
      ]
    },
    "listMembers": {
      "selector": "0xa2f70358",
      "source": "function listMembers(string list, uint256 from, uint256 count) view returns (bytes[] members)",
      "mutability": "view",
      "inputs": [
        ["list", "string"],
        ["from", "uint256"],
        ["count", "uint256"]
      ],
      "outputs": [
        [
          "members",
          {
            "list": "bytes"
          }
        ]
      ]
    },
    "listMode": {
      "selector": "0x56b967ab",
      "source": "function listMode(string list) view returns (uint8 mode, uint256 count)",
      "mutability": "view",
      "inputs": [
        ["list", "string"]
      ],
      "outputs": [
        ["mode", "uint8"],
        ["count", "uint256"]
      ]
    },
    "names": {
      "selector": "0x056da048",
      "source": "function names() view returns (string[] all)",
      "mutability": "view",
      "inputs": [],
      "outputs": [
        [
          "all",
          {
            "list": "string"
          }
        ]
      ]
    },
    "pause": {
      "selector": "0x3aaba6f3",
      "source": "function pause(string scope, uint256 duration, string reason)",
      "mutability": "nonpayable",
      "inputs": [
        ["scope", "string"],
        ["duration", "uint256"],
        ["reason", "string"]
      ],
      "outputs": []
    },
    "pausedUntil": {
      "selector": "0x9adcb370",
      "source": "function pausedUntil(string scope) view returns (uint256 until)",
      "mutability": "view",
      "inputs": [
        ["scope", "string"]
      ],
      "outputs": [
        ["until", "uint256"]
      ]
    },
    "proposeGovernance": {
      "selector": "0xc373a08e",
      "source": "function proposeGovernance(address account)",
      "mutability": "nonpayable",
      "inputs": [
        ["account", "address"]
      ],
      "outputs": []
    },
    "removeFromList": {
      "selector": "0x1d2c5d2c",
      "source": "function removeFromList(string list, bytes[] members)",
      "mutability": "nonpayable",
      "inputs": [
        ["list", "string"],
        [
          "members",
          {
            "list": "bytes"
          }
        ]
      ],
      "outputs": []
    },
    "scheduleFork": {
      "selector": "0x8c5c5e37",
      "source": "function scheduleFork(string name, uint256 epoch, string version)",
      "mutability": "nonpayable",
      "inputs": [
        ["name", "string"],
        ["epoch", "uint256"],
        ["version", "string"]
      ],
      "outputs": []
    },
    "scheduled": {
      "selector": "0x268c02b3",
      "source": "function scheduled(string name) view returns (uint256 value, uint256 fromEpoch)",
      "mutability": "view",
      "inputs": [
        ["name", "string"]
      ],
      "outputs": [
        ["value", "uint256"],
        ["fromEpoch", "uint256"]
      ]
    },
    "set": {
      "selector": "0x8a42ebe9",
      "source": "function set(string name, uint256 value)",
      "mutability": "nonpayable",
      "inputs": [
        ["name", "string"],
        ["value", "uint256"]
      ],
      "outputs": []
    },
    "setAll": {
      "selector": "0x7fe0f175",
      "source": "function setAll(string[] names, uint256[] newValues)",
      "mutability": "nonpayable",
      "inputs": [
        [
          "names",
          {
            "list": "string"
          }
        ],
        [
          "newValues",
          {
            "list": "uint256"
          }
        ]
      ],
      "outputs": []
    },
    "setGuardian": {
      "selector": "0x8a0dac4a",
      "source": "function setGuardian(address account)",
      "mutability": "nonpayable",
      "inputs": [
        ["account", "address"]
      ],
      "outputs": []
    },
    "setListMode": {
      "selector": "0x46d861d0",
      "source": "function setListMode(string list, uint8 mode)",
      "mutability": "nonpayable",
      "inputs": [
        ["list", "string"],
        ["mode", "uint8"]
      ],
      "outputs": []
    },
    "unpause": {
      "selector": "0xe79faa58",
      "source": "function unpause(string scope)",
      "mutability": "nonpayable",
      "inputs": [
        ["scope", "string"]
      ],
      "outputs": []
    }
  },
  "events": {
    "ForkCancelled": {
      "topic": "0xeae081b13bbc832adaf6059f0843b2bf694c98f6d2e6a8f849037f13a66f01d1",
      "source": "event ForkCancelled(string name, uint256 epoch)",
      "indexed": [],
      "plain": [
        ["name", "string"],
        ["epoch", "uint256"]
      ]
    },
    "ForkScheduled": {
      "topic": "0x74186161b4b862a74ebd0697b15c6d94637c67c35a5506890410bb9c32265c86",
      "source": "event ForkScheduled(string name, uint256 epoch, string version)",
      "indexed": [],
      "plain": [
        ["name", "string"],
        ["epoch", "uint256"],
        ["version", "string"]
      ]
    },
    "GovernanceChanged": {
      "topic": "0x3aaaebeb4821d6a7e5c77ece53cff0afcc56c82add2c978dbbb7f73e84cbcfd2",
      "source": "event GovernanceChanged(address indexed previous, address indexed current)",
      "indexed": [
        ["previous", "address"],
        ["current", "address"]
      ],
      "plain": []
    },
    "GovernanceProposed": {
      "topic": "0x7c4d96924f12913ea4497be340c588e727913bc71595eb2f44cdb892bdc6f337",
      "source": "event GovernanceProposed(address indexed current, address indexed proposed)",
      "indexed": [
        ["current", "address"],
        ["proposed", "address"]
      ],
      "plain": []
    },
    "GuardianChanged": {
      "topic": "0xa14fc14d8620a708a896fd11392a235647d99385500a295f0d7da2a258b2e967",
      "source": "event GuardianChanged(address indexed previous, address indexed current)",
      "indexed": [
        ["previous", "address"],
        ["current", "address"]
      ],
      "plain": []
    },
    "ListModeSet": {
      "topic": "0x7122fb6023ed1c472e08a1611ecb8c3e3de3218037ee29651af37c2650d70ce1",
      "source": "event ListModeSet(string list, uint8 mode)",
      "indexed": [],
      "plain": [
        ["list", "string"],
        ["mode", "uint8"]
      ]
    },
    "MemberListed": {
      "topic": "0x8da022f5d8ca6ad3ebdfcf13ba0180e54f4fe1dedc9557da52c9e950f9b26e83",
      "source": "event MemberListed(string list, bytes member)",
      "indexed": [],
      "plain": [
        ["list", "string"],
        ["member", "bytes"]
      ]
    },
    "MemberUnlisted": {
      "topic": "0xd14ed2ca61ca995e3c86be873f3778327d1db4a6b911a05858d78c423716965a",
      "source": "event MemberUnlisted(string list, bytes member)",
      "indexed": [],
      "plain": [
        ["list", "string"],
        ["member", "bytes"]
      ]
    },
    "Paused": {
      "topic": "0xda4695f14dede572d948a915cb585729289aaa74f267b72d8a50aee34c73ec78",
      "source": "event Paused(string scope, address indexed by, uint256 until, string reason)",
      "indexed": [
        ["by", "address"]
      ],
      "plain": [
        ["scope", "string"],
        ["until", "uint256"],
        ["reason", "string"]
      ]
    },
    "Unpaused": {
      "topic": "0x1a2ba7e59b72eb3b6872e1d87a371806cd27571190131e7f729505e94e429a7f",
      "source": "event Unpaused(string scope, address indexed by)",
      "indexed": [
        ["by", "address"]
      ],
      "plain": [
        ["scope", "string"]
      ]
    },
    "ValueScheduled": {
      "topic": "0x97181e135c693a345bf3516a6d2c6979b9f847dedfb61e1b4e24e47a8b216c8f",
      "source": "event ValueScheduled(string name, uint256 oldValue, uint256 newValue, uint256 fromEpoch)",
      "indexed": [],
      "plain": [
        ["name", "string"],
        ["oldValue", "uint256"],
        ["newValue", "uint256"],
        ["fromEpoch", "uint256"]
      ]
    }
  },
  "errors": {
    "BadDuration": {
      "selector": "0x0c6821fd",
      "source": "error BadDuration(uint256 given, uint256 maximum)",
      "inputs": [
        ["given", "uint256"],
        ["maximum", "uint256"]
      ]
    },
    "BadForkEpoch": {
      "selector": "0x9f9d7e21",
      "source": "error BadForkEpoch(string name, uint256 given, uint256 minimum, uint256 maximum)",
      "inputs": [
        ["name", "string"],
        ["given", "uint256"],
        ["minimum", "uint256"],
        ["maximum", "uint256"]
      ]
    },
    "BadForkName": {
      "selector": "0x7462a0f0",
      "source": "error BadForkName(string name)",
      "inputs": [
        ["name", "string"]
      ]
    },
    "BadMember": {
      "selector": "0x3db93ff2",
      "source": "error BadMember(string list, bytes member)",
      "inputs": [
        ["list", "string"],
        ["member", "bytes"]
      ]
    },
    "BadMode": {
      "selector": "0xb3130100",
      "source": "error BadMode(uint8 given)",
      "inputs": [
        ["given", "uint8"]
      ]
    },
    "BadVersion": {
      "selector": "0xf890245a",
      "source": "error BadVersion(string version)",
      "inputs": [
        ["version", "string"]
      ]
    },
    "CoolingDown": {
      "selector": "0x1a6209a9",
      "source": "error CoolingDown(string scope, uint256 from)",
      "inputs": [
        ["scope", "string"],
        ["from", "uint256"]
      ]
    },
    "EmptyList": {
      "selector": "0xb83e4224",
      "source": "error EmptyList(string list)",
      "inputs": [
        ["list", "string"]
      ]
    },
    "ForkExists": {
      "selector": "0x2a4924f0",
      "source": "error ForkExists(string name, uint256 epoch)",
      "inputs": [
        ["name", "string"],
        ["epoch", "uint256"]
      ]
    },
    "ForkHolds": {
      "selector": "0xb34974b1",
      "source": "error ForkHolds(string name, uint256 epoch)",
      "inputs": [
        ["name", "string"],
        ["epoch", "uint256"]
      ]
    },
    "LengthMismatch": {
      "selector": "0xab8b67c6",
      "source": "error LengthMismatch(uint256 names, uint256 values)",
      "inputs": [
        ["names", "uint256"],
        ["values", "uint256"]
      ]
    },
    "ListFull": {
      "selector": "0x32cc963b",
      "source": "error ListFull(string list, uint256 maximum)",
      "inputs": [
        ["list", "string"],
        ["maximum", "uint256"]
      ]
    },
    "NoSuchFork": {
      "selector": "0xd8fd6f14",
      "source": "error NoSuchFork(string name)",
      "inputs": [
        ["name", "string"]
      ]
    },
    "NotGovernance": {
      "selector": "0x988d1f03",
      "source": "error NotGovernance(address caller)",
      "inputs": [
        ["caller", "address"]
      ]
    },
    "NotGuardian": {
      "selector": "0xa252c151",
      "source": "error NotGuardian(address caller)",
      "inputs": [
        ["caller", "address"]
      ]
    },
    "NotPaused": {
      "selector": "0x942c35ee",
      "source": "error NotPaused(string scope)",
      "inputs": [
        ["scope", "string"]
      ]
    },
    "NotProposed": {
      "selector": "0x29c89150",
      "source": "error NotProposed(address caller)",
      "inputs": [
        ["caller", "address"]
      ]
    },
    "OutOfBounds": {
      "selector": "0x808861f9",
      "source": "error OutOfBounds(string name, uint256 given, uint256 minimum, uint256 maximum)",
      "inputs": [
        ["name", "string"],
        ["given", "uint256"],
        ["minimum", "uint256"],
        ["maximum", "uint256"]
      ]
    },
    "ReasonTooLong": {
      "selector": "0x1e421fbf",
      "source": "error ReasonTooLong(uint256 given, uint256 maximum)",
      "inputs": [
        ["given", "uint256"],
        ["maximum", "uint256"]
      ]
    },
    "TooManyForks": {
      "selector": "0xe224a42f",
      "source": "error TooManyForks(uint256 maximum)",
      "inputs": [
        ["maximum", "uint256"]
      ]
    },
    "UnknownList": {
      "selector": "0x920e8bee",
      "source": "error UnknownList(string list)",
      "inputs": [
        ["list", "string"]
      ]
    },
    "UnknownName": {
      "selector": "0xb891b676",
      "source": "error UnknownName(string name)",
      "inputs": [
        ["name", "string"]
      ]
    },
    "UnknownScope": {
      "selector": "0x3bc3387d",
      "source": "error UnknownScope(string scope)",
      "inputs": [
        ["scope", "string"]
      ]
    }
  }
} as const satisfies Abi
