#!/bin/sh
# Makes the enrolment group, if there is none, and hands its key to the app by way of the vault. Run it after each deployment: what is
# there already stays. `azd up` runs it by itself; else give it what the deployment put out:
#
#   METERBRIDGE_APP=… METERBRIDGE_VAULT=… METERBRIDGE_PROVISIONING=… AZURE_RESOURCE_GROUP=… infra/enrol.sh
#
# It needs `az`, logged in as the deployer whose id the deployment was given. In the private shape it runs on a machine of the network.
set -eu

GROUP=meterbridge
SECRET=dps-group-key
for name in METERBRIDGE_APP METERBRIDGE_VAULT METERBRIDGE_PROVISIONING AZURE_RESOURCE_GROUP; do
  eval "[ -n \"\${$name:-}\" ]" || {
    echo "$name is not set: it is an output of the deployment" >&2
    exit 64
  }
done

# A role that was granted a moment ago may take some minutes to count.
patiently() {
  left=20
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    echo "Waiting for the roles to count" >&2
    sleep "${METERBRIDGE_PAUSE:-15}"
  done
}

group() {
  az iot dps enrollment-group "$@" --auth-type login --only-show-errors \
    --dps-name "$METERBRIDGE_PROVISIONING" --resource-group "$AZURE_RESOURCE_GROUP"
}

groups() {
  group list --query '[].enrollmentGroupId' --output tsv >"$scratch/groups"
}

# The key goes through files that only this user reads, never over a command line that others see.
store() {
  az keyvault secret set --vault-name "$METERBRIDGE_VAULT" --name "$SECRET" --file "$scratch/key" --encoding utf-8 \
    --output none --only-show-errors
}

umask 077
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
patiently groups
if ! grep -qx "$GROUP" "$scratch/groups"; then
  # Without keys the service draws them.
  group create --enrollment-id "$GROUP" --output none
fi
group show --enrollment-id "$GROUP" --show-keys --query attestation.symmetricKey.primaryKey --output tsv |
  tr -d '\r\n' >"$scratch/key"
[ -s "$scratch/key" ] || {
  echo "The enrolment group $GROUP shows no key" >&2
  exit 1
}
patiently store

# The app looks into the vault once a day, and now.
id=$(az functionapp show --name "$METERBRIDGE_APP" --resource-group "$AZURE_RESOURCE_GROUP" --query id --output tsv)
az rest --method post --url "$id/config/configreferences/appsettings/refresh?api-version=2022-03-01" --output none
echo "Enrolment group $GROUP is in place and its key in $METERBRIDGE_VAULT/$SECRET"
