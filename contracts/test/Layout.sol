// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// The same variables as the layout in `chain/native/kit/slots.test.ts`, where solc decides what goes where. For tests.
contract Layout {
  struct Packed { uint64 since; bool open; address who; uint128 big; string text; uint256 last; }

  uint256 public plain;
  mapping(address => mapping(uint256 => uint256)) public nested;
  mapping(string => Packed) public byName;
  address[] public list;
  bytes public blob;
  Packed public one;
  Packed[] public many;
  mapping(bytes32 => uint256[]) public lists;
  uint64[] public powers;
  uint32[] public places;

  function fill(string calldata name, bytes calldata data, address who) external {
    plain = 7;
    nested[who][9] = 11;
    byName[name] = Packed(1, true, who, 2, name, 3);
    list.push(who);
    list.push(address(this));
    blob = data;
    one = Packed(4, false, who, 5, "", 6);
    many.push(Packed(8, true, who, 9, name, 10));
    many.push(Packed(11, true, address(0), 12, "x", 13));
    lists[keccak256(data)].push(14);
    lists[keccak256(data)].push(15);
    for (uint64 i = 0; i < 9; i++) {
      powers.push(100 + i);
      places.push(uint32(200 + i));
    }
  }
}
